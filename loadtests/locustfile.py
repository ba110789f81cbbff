"""Open-loop traffic against the lab database: the queries of bench/, weighted by mix.toml.

    locust -f loadtests/locustfile.py --headless -u 4 -t 5s      (4 connections, 5 seconds)
    locust -f loadtests/locustfile.py                            (the same from Locust's web page)

It needs a lab that is up and filled: ``pgvitals up`` and ``pgvitals load``. The environment sets the rest:

    PGVITALS_LOAD_RATE     requests a second over all connections (200)
    PGVITALS_LOAD_SEED     seed of arrivals, queries and parameters (1)
    PGVITALS_LOAD_SECONDS  length of the plan where -t is not given (10)
    PGVITALS_LOAD_SYSTEMS  systems to query, with commas (all)
    PGVITALS_LOAD_OUT      directory for load.json and load.hlog (none are written)

Requests follow one Poisson plan, whatever the answers take: a stall of the server delays them, and the
delay counts. The table at the end counts from the due time; the run stops by itself when the plan is
through. Writes are rolled back. To send other traffic, edit mix.toml; to send other queries, add a file to
bench/; those that are not for the revision where the lab stands are left out.
"""

from pathlib import Path

from pgvitals.load.user import OpenLoopUser

HERE = Path(__file__).resolve().parent


class Lookups(OpenLoopUser):
    """One connection; all of them share the plan."""

    suite_path = HERE
    mix_path = HERE / "mix.toml"
