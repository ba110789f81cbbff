"""pgvitals.load"""
