"""Runs queries and keeps every sample."""
