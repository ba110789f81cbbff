"""What a process that only fills a database does without, since several of them start for each load."""

import subprocess
import sys

import pytest

import pgvitals.encryption

_LOADED = "import sys, pgvitals.dataset.worker; print(*(name for name in sys.modules if name in sys.argv[1:]))"


def test_a_worker_starts_without_sqlalchemy_and_pandas():
    heavy = ["sqlalchemy", "alembic", "pandas", "scipy", "matplotlib", "faker"]
    found = subprocess.run([sys.executable, "-c", _LOADED, *heavy], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_everything_that_encryption_offers_is_there_when_asked_for():
    assert all(getattr(pgvitals.encryption, name) is not None for name in pgvitals.encryption.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pgvitals.encryption.nothing
