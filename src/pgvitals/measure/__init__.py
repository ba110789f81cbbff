"""pgvitals.measure"""
