"""pgvitals.report"""
