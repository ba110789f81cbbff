"""Which lab a command works on, which server it starts, and how it says so."""

from __future__ import annotations

import http.server
import json
import os
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pgvitals.errors import GuardError, LabError
from pgvitals.lab import Database, Server, attach, choose, container, start_server
from pgvitals.lab.attach import find, kind_of, standing
from pgvitals.lab.choose import launch
from pgvitals.lab.state import State, all_states
from pgvitals.suite import Suite


def dsn(server: Server, database: str) -> str:
    params = server.state.params
    return f"postgresql://postgres:{params['password']}@127.0.0.1:{params['port']}/{database}"


@contextmanager
def left_by_up(server: Server, suite: Suite, **changes: Any) -> Iterator[State]:
    """A state as `pgvitals up` leaves it, of a server that runs."""
    with server.scratch("lab") as lab:
        fields = {"suite": str(suite.root), "persistent": True, "lab_database": lab.name, "databases": (lab.name,)}
        state = replace(server.state, **{"id": "0123abcd", **fields, **changes})
        state.save()
        yield state


@pytest.fixture
def up(lab_home: Any, server: Server, suite: Suite) -> Iterator[State]:
    with left_by_up(server, suite) as state:
        yield state


# Attaching


@pytest.mark.parametrize("postgres", ["auto", "embedded", "container"])
def test_where_nothing_is_up_the_message_says_how_to_start_one(lab_home: Any, suite: Suite, postgres: str) -> None:
    assert find(suite, postgres) is None
    with pytest.raises(LabError, match="no lab server is up; start one with `pgvitals up`"):
        attach(suite, postgres)


def test_what_up_left_is_found_by_its_suite(up: State, suite: Suite, tmp_path: Path) -> None:
    assert attach(suite).name == up.lab_database
    assert attach().name == up.lab_database
    assert find(replace(suite, root=tmp_path)) is None
    assert kind_of(attach(suite)) == "embedded"


def test_a_kind_that_is_asked_for_is_not_answered_with_another(up: State, suite: Suite) -> None:
    assert find(suite, "container") is None
    found = find(suite, "embedded")
    assert found is not None
    assert found.name == up.lab_database


def test_the_newest_of_several_is_taken(up: State, server: Server, suite: Suite) -> None:
    with left_by_up(server, suite, id="ffff0000") as newer:
        os.utime(up.path, (1, 1))
        assert standing(suite) == newer
        os.utime(newer.path, (0, 0))
        assert standing(suite) == up


def test_what_a_parent_hands_over_comes_before_everything_else(
    up: State, server: Server, suite: Suite, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with left_by_up(server, suite, id="ffff0000") as mine:
        monkeypatch.setenv("PGVITALS_DSN", dsn(server, str(up.lab_database)))
        monkeypatch.setenv("PGVITALS_LAB", str(mine.path))
        assert attach(suite).name == mine.lab_database
        monkeypatch.setenv("PGVITALS_LAB_DATABASE", database.name)
        assert attach(suite).name == database.name
        asked = attach(suite, dsn(server, str(up.lab_database)))  # but for a DSN that is typed
        assert asked.name == up.lab_database


def test_a_child_finds_the_database_that_its_parent_names(
    server: Server, database: Database, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in database.environment().items():
        monkeypatch.setenv(name, value)
    assert attach(suite) == database
    stateless = Database(params=database.params, name=database.name)
    for name, value in stateless.environment().items():
        monkeypatch.setenv(name, value)
    assert attach(suite).name == database.name


def test_what_a_parent_hands_over_must_be_ours_too(
    server: Server, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGVITALS_LAB", str(server.state.path))
    monkeypatch.setenv("PGVITALS_LAB_DATABASE", "postgres")
    with pytest.raises(GuardError, match="database 'postgres' was not made by pgvitals"):
        attach(suite)
    monkeypatch.delenv("PGVITALS_LAB_DATABASE")
    with pytest.raises(LabError, match="has no database; run `pgvitals down` and `pgvitals up`"):
        attach(suite)
    monkeypatch.setenv("PGVITALS_LAB", "/nowhere/state.json")
    with pytest.raises(LabError, match=r"/nowhere/state\.json: no such lab server"):
        attach(suite)


def test_the_variable_comes_before_what_is_up(
    up: State, server: Server, suite: Suite, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGVITALS_DSN", dsn(server, database.name))
    assert attach(suite).name == database.name


def test_the_variable_of_a_maintenance_database_leads_to_the_lab_on_that_server_alone(
    up: State, server: Server, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGVITALS_DSN", dsn(server, "postgres"))
    assert attach(suite).name == up.lab_database
    with start_server("embedded", suite=suite) as other:
        monkeypatch.setenv("PGVITALS_DSN", dsn(other, "postgres"))
        assert find(suite) is None


def test_the_variable_of_a_foreign_database_is_refused_even_if_a_lab_is_up(
    up: State, server: Server, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server.maintenance() as conn:
        conn.execute("create database clinic")
        try:
            monkeypatch.setenv("PGVITALS_DSN", dsn(server, "clinic"))
            with pytest.raises(GuardError, match="database 'clinic' was not made by pgvitals"):
                attach(suite)
        finally:
            conn.execute("drop database clinic with (force)")


def test_a_lab_that_no_longer_answers_is_said_to(up: State, suite: Suite) -> None:
    up.with_changes(params={**up.params, "port": "1"})
    with pytest.raises(LabError, match=f"cannot connect to lab database '{up.lab_database}'"):
        attach(suite)


# Choosing


class Engine(http.server.BaseHTTPRequestHandler):
    """What a Docker engine answers to the few questions before a container is started."""

    images: tuple[str, ...] = ()
    pulls: tuple[str, ...] = ()
    hangs = threading.Event()

    def do_GET(self) -> None:
        if self.path.endswith("/version"):
            self.answer(200, {"ApiVersion": "1.44", "MinAPIVersion": "1.24"})
        elif self.path.endswith("/_ping"):
            self.answer(200, {})
        elif any(f"/images/{image}/json" in self.path for image in self.images):
            self.answer(200, {"Id": "sha256:0"})
        elif "/containers/json" in self.path:
            self.answer(200, [])
        else:
            self.answer(404, {"message": "No such image"})

    def do_POST(self) -> None:
        if "/images/create" not in self.path:
            self.answer(500, {"message": "no space left on device"})
            return
        type(self).pulls = (*self.pulls, self.path.partition("/images/create?")[2])
        if "hangs" in self.path:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.hangs.wait(60)
        elif "denied" in self.path:
            self.answer(200, {"errorDetail": {"code": 1}, "error": "pull access\ndenied"})
        else:
            self.answer(500, {"message": "registry is closed"})

    def answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class Listener(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Engine]]:
    """A Docker engine without images that pulls none."""
    kind = type("TestEngine", (Engine,), {"hangs": threading.Event()})
    with Listener(str(tmp_path / "docker.sock"), kind) as server:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'docker.sock'}")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield kind
        kind.hangs.set()
        server.shutdown()


def test_what_is_asked_for_is_taken_and_said_to_be() -> None:
    assert choose._choose("embedded") == ("embedded", "asked for with --postgres embedded", "")
    assert choose._choose("container") == ("container", "asked for with --postgres container", "")
    assert choose._choose("host=/tmp") == ("external", "asked for with --postgres DSN", "host=/tmp")


def test_auto_takes_the_variable_first(engine: type[Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    engine.images = ("postgres:17",)
    monkeypatch.setenv("PGVITALS_DSN", "host=/tmp")
    assert choose._choose("auto") == ("external", "PGVITALS_DSN is set", "host=/tmp")


def test_auto_takes_a_container_where_an_engine_has_the_image(
    engine: type[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.images = ("mine:1",)
    monkeypatch.setenv("PGVITALS_IMAGE", "mine:1")
    assert choose._choose("auto") == ("container", "a Docker engine answers and has mine:1", "")


@pytest.mark.parametrize(
    ("image", "pull"),
    [
        ("", "tag=17&fromImage=postgres"),
        ("mine", "tag=latest&fromImage=mine"),
        ("here:5000/mine", "tag=latest&fromImage=here%3A5000%2Fmine"),
        ("here:5000/mine:2", "tag=2&fromImage=here%3A5000%2Fmine"),
        ("mine@sha256:" + "0" * 64, "tag=sha256%3A" + "0" * 64 + "&fromImage=mine"),
    ],
)
def test_auto_says_why_there_is_no_container(
    engine: type[Engine], monkeypatch: pytest.MonkeyPatch, image: str, pull: str
) -> None:
    monkeypatch.setenv("PGVITALS_IMAGE", image)
    kind, why, _ = choose._choose("auto")
    assert kind == "embedded"
    assert why.startswith(f"no container: container image {image or 'postgres:17'!r} is not here and cannot be pulled")
    assert engine.pulls == (pull,)


def test_an_image_that_does_not_come_is_named_with_the_engines_own_words(
    engine: type[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGVITALS_IMAGE", "mine:1")
    with pytest.raises(LabError, match=r"'mine:1' is not here and cannot be pulled \(registry is closed\)") as caught:
        container.require_image()
    assert "set PGVITALS_IMAGE" in str(caught.value)
    monkeypatch.setenv("PGVITALS_IMAGE", "denied:1")
    with pytest.raises(LabError, match=r"'denied:1' is not here and cannot be pulled \(pull access denied\)"):
        container.require_image()


def test_auto_does_not_wait_for_a_registry_that_says_nothing(
    engine: type[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "PULL_SILENCE_S", 1)
    monkeypatch.setenv("PGVITALS_IMAGE", "hangs:1")
    kind, why, _ = choose._choose("auto")
    assert (kind, "cannot be pulled" in why) == ("embedded", True)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("abandoned_sockets")
def test_auto_falls_back_where_a_container_does_not_start(
    engine: type[Engine], lab_home: Any, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.images = ("mine:1",)
    monkeypatch.setenv("PGVITALS_IMAGE", "mine:1")
    with start_server(suite=suite) as server:
        assert server.kind == "embedded"
        assert server.why.startswith("no container: container image 'mine:1' does not start")
        assert lab_home.ids() == {server.state.id}
    with pytest.raises(LabError, match=r"'mine:1' does not start: .*no space left on device"):
        launch("container", suite=suite, persistent=False)
    assert lab_home.leftovers() == []


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("abandoned_sockets")
def test_auto_falls_back_where_no_engine_answers(lab_home: Any, suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with start_server(suite=suite) as server:
        assert server.kind == "embedded"
        assert server.why.startswith("no container: no Docker engine answers")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("abandoned_sockets")
@pytest.mark.parametrize("host", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "no such scheme"])
def test_a_container_that_is_asked_for_is_not_replaced(
    lab_home: Any, suite: Suite, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(LabError, match="no Docker engine answers; start one, or use --postgres embedded"):
        launch("container", suite=suite, persistent=False)
    assert all_states() == []
    assert lab_home.leftovers() == []


@pytest.mark.parametrize("missing", ["docker", "testcontainers.community.postgres"])
def test_without_the_extra_the_message_says_what_to_install(
    engine: type[Engine], suite: Suite, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    engine.images = ("postgres:17",)
    monkeypatch.setitem(sys.modules, missing, None)
    asked: list[Callable[[], object]] = [
        container.require_image,
        lambda: launch("container", suite=suite, persistent=False),
    ]
    for ask in asked:
        with pytest.raises(LabError, match=r"pip install 'pgvitals\[container\]'"):
            ask()
    kind, why, _ = choose._choose("auto")
    assert (kind, "container support is not installed" in why) == ("embedded", True)
