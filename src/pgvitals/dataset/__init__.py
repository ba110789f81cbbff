"""pgvitals.dataset"""
