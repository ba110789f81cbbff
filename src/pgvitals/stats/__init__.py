"""pgvitals.stats"""
