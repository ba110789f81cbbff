"""pgvitals.lab"""
