"""A server to measure on, and databases on it that are ours to migrate, fill, clone and drop."""

from pgvitals.lab.attach import attach
from pgvitals.lab.choose import start_server
from pgvitals.lab.database import Database
from pgvitals.lab.server import Server

__all__ = ["Database", "Server", "attach", "start_server"]
