"""Parts as tasks on Dask: workers fill them that reach the suite and the database, on any number of machines.

A part and its line in the ledger are one transaction, so a task may run twice: Dask's retries and its lost workers
cost time, not rows. A task's key, name and errors hold no connection parameters; the task itself does, and travels
to the scheduler and the workers. So the local cluster speaks TLS with keys of its own, and others should, too.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from pgvitals.dataset import dask_task
from pgvitals.dataset.dask_task import Answer, UnfitWorkerError, fill_part, ids, let_go
from pgvitals.dataset.parts import Part
from pgvitals.dataset.worker import Work
from pgvitals.encryption import lab_provider
from pgvitals.errors import DatasetError, PgvitalsError, RowsRefusedError

if TYPE_CHECKING:
    from distributed import Client, Future

LOCAL = "local"
_CONNECT_S = 6
_RETRIES = 3

Done = Callable[[Part, float], None]


class DaskCrew(AbstractContextManager["DaskCrew"]):
    """Workers of a Dask cluster; its `fill` is what :func:`pgvitals.dataset.load.load_parts` takes as ``fill_with``."""

    def __init__(self, address: str, *, workers: int | None = None) -> None:
        """Connect to a scheduler, or start ``workers`` processes (default: one for each core) if it is ``local``.

        Raises:
            DatasetError: Dask is not installed, or nothing answers at the address.
        """
        self.address = address
        self._stack = ExitStack()
        self._futures: list[Future[Answer]] = []
        try:
            import distributed
        except ImportError:
            raise DatasetError("--dask needs Dask: `pip install 'pgvitals[dask]'`") from None
        if address != LOCAL and "://" not in address:
            raise DatasetError(f"--dask {address!r}: expected {LOCAL}, or a scheduler as in tcp://host:8786")
        self._stack.enter_context(_quiet())
        try:
            if address == LOCAL:
                where = self._stack.enter_context(_local_cluster(workers))
            else:
                asyncio.run(_greet(address))
                where = address
            self.client: Client = self._stack.enter_context(
                distributed.Client(where, timeout=_CONNECT_S, set_as_default=False)
            )
        except (OSError, ValueError, TypeError, RuntimeError, ImportError) as error:
            self._stack.close()
            raise DatasetError(f"--dask {address}: no Dask scheduler answers there ({_line(error)})") from None
        try:
            self.client.wait_for_workers(1, timeout=_CONNECT_S)
        except TimeoutError:
            self._stack.close()
            raise DatasetError(
                f"--dask {address}: the scheduler has no workers; `dask worker {address}` starts some"
            ) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(Exception):  # an error here would hide why this ends
            self.client.cancel(self._futures)
        self._stack.close()

    def fill(self, work: Work, parts: Sequence[Part], done: Done) -> list[Part]:
        """Load these parts, each by whichever worker is free.

        Returns:
            Those that processes outside the cluster are at.

        Raises:
            RowsRefusedError: the rows of a part do not fit its table.
            DatasetError: a worker is not fit, or lost time and again.
        """
        from distributed import as_completed

        self._require_reachable(work)
        if not parts:
            return []
        by_key = {_key(work, part): part for part in parts}
        kek = lab_provider().kek_id
        self._futures = self.client.map(
            fill_part,
            *zip(*((work, part, kek) for part in parts), strict=True),
            key=list(by_key),
            pure=False,
            retries=_RETRIES,
        )
        left = []
        for future in as_completed(self._futures, loop=self.client.loop):
            part, answer = by_key[future.key], self._answer(future)
            if answer.status == "left":
                left.append(part)
            else:
                done(part, answer.seconds)
        self.client.run(let_go, ids(work), on_error="ignore")
        return left

    def _answer(self, future: Future[Answer]) -> Answer:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        try:
            answer: Answer = future.result()
        except PgvitalsError as error:
            raise DatasetError(f"{error} (on a Dask worker, after {_RETRIES} more tries)") from None
        except KilledWorker:
            raise DatasetError(
                "a Dask worker was lost time and again while it loaded the same part; `pgvitals load` goes on"
            ) from None
        except FutureCancelledError:
            raise DatasetError(f"the Dask scheduler at {self.address} is lost; `pgvitals load` goes on") from None
        except Exception as error:  # noqa: BLE001 - whatever a foreign environment raises becomes one line
            raise DatasetError(f"a Dask worker cannot load ({type(error).__name__}: {_line(error)})") from None
        if answer.status == "refused":
            raise RowsRefusedError(answer.text)
        if answer.status == "unfit":
            raise UnfitWorkerError(answer.text)
        return answer

    def _require_reachable(self, work: Work) -> None:
        """A server that listens on this machine alone cannot be reached from workers of another one."""
        host = work.database.params.get("host", "")
        alone = not host or host.startswith(("/", "@")) or _is_loopback(host)
        if self.address != LOCAL and alone and not _is_here(urlsplit(self.address).hostname or ""):
            raise DatasetError(
                f"--dask {self.address}: its workers are on other machines, and the lab's server answers on this one"
                f" alone ({'a socket' if not _is_loopback(host) else host}); load into a server that they reach"
                f" (--postgres with its DSN), or use --dask {LOCAL}"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask logs tracebacks of what is told here in one line."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "tornado.application")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


async def _greet(address: str) -> None:
    """Exchange greetings with a scheduler; a client would wait for its own without end."""
    from distributed.comm.core import connect
    from distributed.security import Security

    how = Security().get_connection_args("client")
    try:
        comm = await asyncio.wait_for(connect(address, timeout=_CONNECT_S, **how), _CONNECT_S)
    except TimeoutError:
        raise OSError(f"no greeting within {_CONNECT_S} s") from None
    await comm.close()


def _local_cluster(workers: int | None) -> Any:
    from distributed import LocalCluster
    from distributed.security import Security

    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        protocol="tls://",
        security=Security.temporary(),  # or every user of this machine could run code as this one
        dashboard_address="127.0.0.1:0",  # of its few plain pages, which cannot be had without: not on a fixed port
        scheduler_kwargs={"dashboard": False},
        preload=dask_task.__name__,
        silence_logs=logging.CRITICAL,  # what goes wrong in a task is told here, once
    )


def _key(work: Work, part: Part) -> str:
    load = work.loads[part.system][0]
    return f"{part.system}.{part.table}-{load}-{part.number}"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_here(host: str) -> bool:
    own = {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}
    return _is_loopback(host) or host in own or host == socket.gethostname()


def _line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
