"""Work for the server over several connections at once, and never two pieces that stand in each other's way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass

import psycopg
from psycopg import Connection

from pgvitals.dataset import ledger
from pgvitals.lab.database import Database


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One piece of work. It locks ``what``: alone, or together with other pieces that share it."""

    what: str
    alone: bool
    do: Callable[[Connection], None]


def do_all(database: Database, pieces: Sequence[Piece], jobs: int) -> None:
    """Do all pieces, the first ones first, over at most ``jobs`` connections.

    Raises:
        BaseException: the first that a piece raised; the others are cancelled.
    """
    board = _Board(list(pieces))
    jobs = min(jobs, len(pieces))
    if jobs <= 1:
        with ledger.connect(database) as conn:
            for piece in pieces:
                piece.do(conn)
        return
    with ExitStack() as stack:
        conns = [stack.enter_context(closing(ledger.connect(database))) for _ in range(jobs)]
        threads = [threading.Thread(target=board.work, args=(conn,), daemon=True) for conn in conns]
        try:
            for thread in threads:
                thread.start()
            while board.error is None and _one_of(threads):  # not one long wait: an interrupt has to get through
                pass
        except BaseException as error:  # noqa: BLE001 - raised again below
            board.stop(error)
        while _one_of(threads):
            for conn in conns:  # again and again: one may have been between two statements
                with suppress(psycopg.Error):
                    conn.cancel_safe(timeout=5)
    if board.error is not None:
        raise board.error


def _one_of(threads: Sequence[threading.Thread], wait_s: float = 0.2) -> bool:
    """Whether one is still at work, asked after a moment's wait for it."""
    alive = next((thread for thread in threads if thread.is_alive()), None)
    if alive is not None:
        alive.join(wait_s)
    return alive is not None


class _Board:
    """Pieces that wait, and what those at work have locked."""

    def __init__(self, waiting: list[Piece]) -> None:
        self.error: BaseException | None = None
        self._waiting = waiting
        self._at_work: list[Piece] = []
        self._changed = threading.Condition()

    def work(self, conn: Connection) -> None:
        """Take pieces until there are none."""
        while (piece := self._take()) is not None:
            try:
                piece.do(conn)
            except BaseException as error:  # noqa: BLE001 - raised again where `do_all` was called
                self.stop(error)
            finally:
                with self._changed:
                    self._at_work.remove(piece)
                    self._changed.notify_all()

    def stop(self, error: BaseException | None = None) -> None:
        """Hand out no more."""
        with self._changed:
            self._waiting.clear()
            self.error = self.error or error
            self._changed.notify_all()

    def _take(self) -> Piece | None:
        with self._changed:
            while self._waiting:
                for piece in self._waiting:
                    if self._free(piece):
                        self._waiting.remove(piece)
                        self._at_work.append(piece)
                        return piece
                self._changed.wait()
            return None

    def _free(self, piece: Piece) -> bool:
        return all(other.what != piece.what or not (other.alone or piece.alone) for other in self._at_work)
