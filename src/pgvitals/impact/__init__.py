"""pgvitals.impact"""
