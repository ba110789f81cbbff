"""The locustfile of a suite that has none of its own."""

from pgvitals.load.user import OpenLoopUser


class Lookups(OpenLoopUser):
    """The suite's queries, weighted by its ``mix.toml`` if there is one."""
