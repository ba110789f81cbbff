"""A PostgreSQL container through testcontainers, cleaned up by our own state file."""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import shutil
import threading
import time
from typing import Any

import psycopg

from pgvitals.errors import LabError
from pgvitals.lab.server import Server, one_line
from pgvitals.lab.settings import CLIENT_DEFAULTS, COUNTING, lab_settings
from pgvitals.lab.state import State

DEFAULT_IMAGE = "postgres:17"
LABEL = "pgvitals.server"
START_TIMEOUT_S = 90
PULL_SILENCE_S = 20


def image_name() -> str:
    """``PGVITALS_IMAGE``, or ``postgres:17``."""
    return os.environ.get("PGVITALS_IMAGE") or DEFAULT_IMAGE


def client() -> Any:
    """A Docker client whose engine answers.

    Raises:
        LabError: testcontainers is not installed, or no engine answers.
    """
    try:
        import docker
        import testcontainers.community.postgres  # noqa: F401
        from docker.errors import DockerException
    except ImportError:
        raise LabError("container support is not installed; `pip install 'pgvitals[container]'`") from None
    try:
        engine = docker.from_env(timeout=PULL_SILENCE_S)
        engine.ping()
    except (DockerException, OSError):
        raise LabError("no Docker engine answers; start one, or use --postgres embedded") from None
    return engine


def require_image() -> None:
    """Make sure that the engine has the image, pulling it if it can.

    Raises:
        LabError: no engine, or the image is neither here nor to be had.
    """
    with contextlib.closing(client()) as engine:
        from docker.errors import DockerException, ImageNotFound

        image = image_name()
        try:
            engine.images.get(image)
        except ImageNotFound:
            if why := _pull(engine, image):
                raise LabError(
                    f"container image {image!r} is not here and cannot be pulled ({why}); "
                    "set PGVITALS_IMAGE to one that is, or use --postgres embedded"
                ) from None
        except (DockerException, OSError) as error:
            raise LabError(f"the Docker engine does not answer properly: {one_line(error)[:160]}") from None


def _pull(engine: Any, image: str) -> str:
    """Pull an image; returns why it did not come, or nothing.

    The engine's client waits for a pull without limit. This one gives up when nothing is heard for
    ``PULL_SILENCE_S`` seconds, however long the whole takes.
    """
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(image)
    heard: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def listen() -> None:
        try:
            for line in engine.api.pull(repository, tag=tag or "latest", stream=True, decode=True):
                heard.put(line.get("error", ""))
        except Exception as error:  # noqa: BLE001 - whatever it is, the pull is over
            heard.put(_why(error))
        heard.put(None)

    threading.Thread(target=listen, daemon=True).start()
    try:
        while (said := heard.get(timeout=PULL_SILENCE_S)) is not None:
            if said:
                return " ".join(said.split())[:120]
    except queue.Empty:
        return f"no word from the registry for {PULL_SILENCE_S} s"
    return ""


def start(state: State) -> Server:
    """Start a container; ``state`` is a fresh, unsaved one.

    Raises:
        LabError: the image is missing, or the container does not start.
    """
    require_image()
    from docker.errors import DockerException
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.core.config import testcontainers_config

    class Postgres(PostgresContainer):
        """Readiness is ours to judge, from outside and without a password in a command line."""

        def _connect(self) -> None:
            return None

    testcontainers_config.ryuk_disabled = True  # the state file and the label do its work
    state.save()
    password = secrets.token_urlsafe(24)
    container = Postgres(image_name(), username="postgres", password=password, dbname="postgres", driver=None)
    try:
        with contextlib.closing(client()) as engine:
            local = engine.api.base_url.startswith("http+docker://")  # over the engine's socket on this machine
            settings = lab_settings() | (COUNTING if _can_count(engine, state) else {})
        command = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        container.with_command(command).with_kwargs(labels={LABEL: state.id}, shm_size="1g")
        if local:
            container.ports["5432"] = ("127.0.0.1", None)  # type: ignore[assignment]  # a free port, for this machine alone
        try:
            container.start()
            host, port = _address(container, local=local)
            params = {
                **CLIENT_DEFAULTS,
                "host": host,
                "port": port,
                "user": "postgres",
                "password": password,
                "dbname": "postgres",
            }
            state = state.with_changes(params=params)
            _wait_until_ready(container, params)
        except (DockerException, OSError) as error:
            raise LabError(f"container image {image_name()!r} does not start: {one_line(error)[:200]}") from None
    except BaseException:
        stop(state)
        raise
    finally:
        container.get_docker_client().client.close()
    return Server(state=state, halt=stop)


def stop(state: State) -> None:
    """Remove the container that carries this state's label, and the state.

    Raises:
        LabError: the engine does not answer, so that the container may still be there.
    """
    with contextlib.closing(client()) as engine:
        from docker.errors import DockerException, NotFound

        try:
            for container in engine.containers.list(all=True, filters={"label": f"{LABEL}={state.id}"}):
                with contextlib.suppress(NotFound):
                    container.remove(force=True, v=True)
        except (DockerException, OSError) as error:
            raise LabError(f"container of lab server {state.id} cannot be removed: {one_line(error)[:160]}") from None
    shutil.rmtree(state.folder, ignore_errors=True)


def _can_count(engine: Any, state: State) -> bool:
    """Whether the image has pg_stat_statements: a server that is told to load what is not there does not start."""
    from docker.errors import DockerException

    look = ["-c", "find / -xdev -name pg_stat_statements.so | grep -q ."]
    try:
        looking = engine.containers.create(
            image_name(), look, entrypoint="sh", network_mode="none", labels={LABEL: state.id}
        )
        looking.start()
        found = looking.wait()["StatusCode"] == 0
        looking.remove(v=True)
    except (DockerException, OSError):  # no sh, for one; if it is the engine, starting the server says so
        return False
    return bool(found)


def _address(container: Any, *, local: bool) -> tuple[str, str]:
    """Where the container answers: the published loopback port, or what a remote engine's client says."""
    if not local:
        return str(container.get_container_host_ip()), str(container.get_exposed_port(5432))
    running = container.get_wrapped_container()
    running.reload()
    return "127.0.0.1", str(running.ports["5432/tcp"][0]["HostPort"])


def _why(error: Exception) -> str:
    """The engine's own words, without the address of its socket."""
    return one_line(Exception(getattr(error, "explanation", None) or error))[:120]


def _wait_until_ready(container: Any, params: dict[str, str]) -> None:
    """Two answers in a row: the official image restarts once after its initialisation."""
    deadline = time.monotonic() + START_TIMEOUT_S
    answers = 0
    while answers < 2:
        try:
            psycopg.connect(**params, connect_timeout=3).close()  # type: ignore[arg-type]
            answers += 1
        except psycopg.OperationalError as error:
            answers = 0
            container.get_wrapped_container().reload()
            if container.get_wrapped_container().status in ("exited", "dead"):
                log = container.get_wrapped_container().logs(tail=1).decode(errors="replace").strip()
                raise LabError(f"the container of {image_name()!r} ended at once: {log or 'no message'}") from None
            if time.monotonic() > deadline:
                raise LabError(f"the container does not answer after {START_TIMEOUT_S} s: {one_line(error)}") from None
        time.sleep(0.2)
