"""What the probes of several rules share: who tries, on which rows, and what came of it."""
