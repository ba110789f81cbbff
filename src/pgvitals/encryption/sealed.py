"""A sealed value in Python, and its column type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.types import LargeBinary, TypeDecorator

from pgvitals.encryption.cipher import PREFIX_BYTES, unseal
from pgvitals.encryption.context import Context
from pgvitals.errors import NotSealedError


class Sealed:
    """The bytes of a sealed value; or a text that waits for its row's flush to be sealed.

    It opens only with keys and a context, and remembers the text with the context that it opened in: elsewhere it has
    to open again, and does not.
    """

    __slots__ = ("_context", "_text", "data")

    def __init__(self, data: bytes) -> None:
        """``data`` comes from `seal` or from the database."""
        if not isinstance(data, bytes):
            raise NotSealedError(f"a sealed value is bytes, got {type(data).__name__}; seal the text first")
        self.data: bytes | None = data
        self._text: str | None = None
        self._context: Context | None = None

    @classmethod
    def waiting(cls, text: str) -> Sealed:
        """A text that is sealed when its row is flushed."""
        made = cls(b"")
        made.data, made._text = None, text
        return made

    @classmethod
    def opened(cls, data: bytes, text: str, context: Context) -> Sealed:
        """A value that was just sealed: what it holds is known."""
        made = cls(data)
        made._text, made._context = text, context
        return made

    @property
    def unsealed_text(self) -> str | None:
        """The text that waits; None once it is sealed."""
        return self._text if self.data is None else None

    @property
    def version(self) -> int | None:
        """Version of the key that it was sealed with, as its header says; None while it waits."""
        return None if self.data is None else int.from_bytes(self.data[1:PREFIX_BYTES], "big")

    def known_text(self, context: Context) -> str | None:
        """The text, if this value was opened in this context already."""
        return self._text if self._context == context else None

    def open(self, keys: Callable[[int], bytes], context: Context) -> str:
        """The text; see `unseal`.

        Raises:
            NotSealedError: it was never sealed.
            EncryptionError: it does not open here.
        """
        if self.data is None:
            raise NotSealedError(f"{context.place}: the text waits to be sealed; flush its row first")
        if self._context != context or self._text is None:
            self._text, self._context = unseal(keys, self.data, context), context
        return self._text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sealed):
            return NotImplemented
        return self is other or (self.data is not None and self.data == other.data)

    def __hash__(self) -> int:
        return hash(self.data) if self.data is not None else id(self)

    def __repr__(self) -> str:
        if self.data is None:
            return "Sealed(waiting)"
        return f"Sealed(key version {self.version}, {len(self.data)} bytes)"

    def __reduce__(self) -> tuple[type[Sealed], tuple[bytes]]:
        # Caches and queues are no place for the text.
        if self.data is None:
            raise NotSealedError("a text that waits to be sealed is not copied or pickled; flush its row first")
        return Sealed, (self.data,)


class _BareValueError(NotSealedError, DontWrapMixin):
    """Not wrapped by SQLAlchemy, whose own message would show the statement's parameters."""


class SealedText(TypeDecorator[Sealed]):
    """A ``bytea`` column of sealed values: takes and returns `Sealed`, and refuses plain text and plain bytes."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        """The bytes to store.

        Raises:
            NotSealedError: ``value`` did not go through sealing.
        """
        if value is None:
            return None
        if not isinstance(value, Sealed):
            raise _BareValueError(
                f"plain {type(value).__name__} was about to be stored in, or compared with, a sealed column: set the "
                "model's attribute, or pass Sealed(seal(…)); to find a value, compare its blind index"
            )
        if value.data is None:
            raise _BareValueError(
                "a text that waits to be sealed was about to be stored outside a flush: set the model's attribute, or "
                "pass Sealed(seal(…))"
            )
        return value.data

    def process_result_value(self, value: Any, dialect: Dialect) -> Sealed | None:
        """What the column holds, still sealed."""
        return None if value is None else Sealed(bytes(value))

    @property
    def python_type(self) -> type[Sealed]:
        """`Sealed`."""
        return Sealed
