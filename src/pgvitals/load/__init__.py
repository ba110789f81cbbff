"""The open-loop load test: one Poisson plan, Locust users that follow it, HdrHistograms of what came back.

``run`` starts it from a command; ``user`` is what a locustfile builds on and must be imported by
Locust itself, because Locust has to patch the standard library before psycopg is imported.
"""
