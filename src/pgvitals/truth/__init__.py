"""What pgvitals says, held against a truth that is known from outside: databases that differ by a known amount.

`make check-truth` runs it; see docs/measurements/truth.md for what it found.
"""
