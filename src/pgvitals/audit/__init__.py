"""pgvitals.audit"""
