"""What --engine and --requests may name, and what is said of anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from pgvitals.audit.engine.ask import load_requests
from pgvitals.audit.engine.target import Target, load_target, url_of
from pgvitals.errors import AuditError
from pgvitals.lab import Database

URL = sa.make_url("postgresql+psycopg://app:hunter2@localhost/x")
APP = """
import sqlalchemy as sa

engine = sa.create_engine("postgresql+psycopg://localhost/x")
port = 5432

def make(url):
    return sa.create_engine(url)

def broken(url):
    raise ValueError(str(url))

def nothing(url):
    return None

def lists(engine, rows): ...
def writes(engine, rows): ...

REQUESTS = [lists, writes]
EMPTY = []
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An application in the working directory."""
    path = tmp_path / "shop_app.py"
    path.write_text(APP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return path


def test_an_engine_is_taken_as_it_is_and_a_function_makes_one(app: Path) -> None:
    there, made = load_target(f"{app}:engine"), load_target("shop_app.py:make")
    assert there.is_made
    assert there.engine(URL).url.host == "localhost"
    assert not made.is_made
    assert made.engine(URL).url == URL


def test_a_module_is_found_in_the_working_directory(app: Path) -> None:
    assert load_target("shop_app:engine").is_made


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("engine", "expected module:attribute or path/to/file.py:attribute"),
        ("shop_app:", "expected module:attribute"),
        ("shop_app.py:missing", "has no attribute 'missing'"),
        ("shop_app.py:port", "is int, neither an engine nor a function that makes one"),
        ("nowhere.py:engine", "nowhere.py does not import"),
        ("no_such_module_here:engine", "does not import: ModuleNotFoundError"),
    ],
)
def test_anything_else_is_refused_with_what_is_wrong(app: Path, name: str, message: str) -> None:
    with pytest.raises(AuditError) as refused:
        load_target(name)
    assert str(refused.value).startswith("--engine ")
    assert message in str(refused.value)


@pytest.mark.parametrize(("name", "message"), [("broken", "fails with ValueError"), ("nothing", "returns NoneType")])
def test_a_function_that_makes_no_engine_is_refused_without_the_url(app: Path, name: str, message: str) -> None:
    with pytest.raises(AuditError, match=message) as refused:
        load_target(f"{app}:{name}").engine(URL)
    assert "hunter2" not in str(refused.value)


def test_requests_are_a_function_or_several(app: Path) -> None:
    assert list(load_requests(f"{app}:REQUESTS")) == ["lists", "writes"]
    assert list(load_requests(f"{app}:lists")) == ["lists"]


@pytest.mark.parametrize("name", ["EMPTY", "port"])
def test_requests_that_are_none_are_refused(app: Path, name: str) -> None:
    with pytest.raises(AuditError, match="expected a function of an engine and a number of rows, or a list of them"):
        load_requests(f"{app}:{name}")


@pytest.mark.parametrize("host", ["127.0.0.1", "/var/run/somewhere"])
def test_an_engine_s_url_says_where_and_as_whom(host: str) -> None:
    params = {"host": host, "port": "5433", "user": "u", "password": "p@ss:/word"}
    url = url_of(Database(params=params, name="lab"), "portal_app")
    _, connect = sa.create_engine(url).dialect.create_connect_args(url)
    assert {key: str(connect[key]) for key in ("host", "port", "user", "password", "dbname")} == {
        **params,
        "dbname": "lab",
    }
    assert "-c role=portal_app" in connect["options"]


def test_the_name_of_a_target_is_how_it_was_asked_for(app: Path) -> None:
    assert load_target("shop_app:engine").name == "shop_app:engine"
    assert isinstance(load_target("shop_app:engine"), Target)
