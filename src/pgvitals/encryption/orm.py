"""Sealed attributes of SQLAlchemy models: declared in one line, read and set as the text or date that they hold.

::

    class Client(Base):
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
        workspace_id: Mapped[uuid.UUID]
        first_name = encrypted_text()
        email = encrypted_text(nullable=True, index="email_index")
        date_of_birth = encrypted_date(nullable=True)

    Session = sessionmaker(engine, info={"key_ring": KeyRing(default_provider(), fetch_from(engine, …))})

``first_name`` declares the column ``first_name`` (bytea, `SealedText`) under the mapped attribute
``first_name_sealed``, and itself reads and sets the text. ``index`` declares a second column, which a flush keeps in
step: the blind index of the text, null where there is no text or it is blank.

- A text is sealed when its row is flushed, with the row's id (a UUID is drawn if there is none yet) and tenant, and
  opened when it is first read. Only what changed is sealed again; setting the same text changes nothing.
- The tenant is the attribute ``workspace_id``, or what the class names in ``__tenant_attribute__``. It and the
  primary key are part of what seals a value: neither can change later.
- On the class, ``Client.first_name`` is the mapped column: ``select(Client.first_name)`` returns `Sealed` values,
  which know no row; ``value.open(ring.opener(tenant), Context(tenant, "clients", "first_name", str(id)))`` opens one.
- ``insert()``, ``update()`` and other statements pass no flush: seal first (`sealing_key`, `seal`), and give `Sealed`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar, overload
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.orm import (
    DeclarativeBase,
    InstrumentedAttribute,
    Mapper,
    class_mapper,
    mapped_column,
    object_session,
)

from pgvitals.encryption import flush
from pgvitals.encryption.context import Context
from pgvitals.encryption.fence import fetch_over
from pgvitals.encryption.reseal import SealedTable
from pgvitals.encryption.sealed import Sealed, SealedText
from pgvitals.errors import EncryptionError, NotSealableError, RetiredKeyError, SealFormatError

T = TypeVar("T")
Check = Callable[[Any], None]
"""Takes a value that is about to be set; raises what the model wants raised if it will not do."""


class Encrypted(Generic[T]):
    """A descriptor: the value on an instance, the mapped column of sealed values on the class."""

    def __init__(
        self,
        kind: type,
        encode: Callable[[Any], str],
        decode: Callable[[str], Any],
        *,
        nullable: bool,
        index: str | None,
        check: Check | None,
        sort_order: int,
    ) -> None:
        self.index = index
        self._kind, self._encode, self._decode, self._check = kind, encode, decode, check
        self._nullable, self._sort_order = nullable, sort_order
        self._places: WeakKeyDictionary[type, flush.Place] = WeakKeyDictionary()

    def __set_name__(self, owner: type, name: str) -> None:
        """Add the columns to the class, before SQLAlchemy maps it."""
        self.name, self.key = name, f"{name}_sealed"
        column = mapped_column(name, SealedText(), nullable=self._nullable, sort_order=self._sort_order)
        setattr(owner, self.key, column)
        if self.index is not None:
            blind = mapped_column(self.index, sa.LargeBinary, nullable=True, sort_order=self._sort_order)
            setattr(owner, self.index, blind)
        flush.seal_on_flush(owner, self)

    @overload
    def __get__(self, instance: None, owner: type) -> InstrumentedAttribute[Sealed]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> Any:
        """The value.

        Raises:
            KeyRingMissingError: neither the instance's session nor the one that it came from has a key ring.
            EncryptionError: it does not open.
        """
        if instance is None:
            return getattr(owner, self.key)
        sealed = getattr(instance, self.key)
        if sealed is None:
            return None
        if not isinstance(sealed, Sealed):
            raise SealFormatError(f"{owner.__name__}.{self.key} was set to {type(sealed).__name__}; set {self.name}")
        text = sealed.unsealed_text
        if text is None:
            context = self.context_of(instance)
            text = sealed.known_text(context)
            if text is None:
                text = self._open(instance, sealed, context)
        try:
            return self._decode(text)
        except ValueError:
            raise SealFormatError(
                f"{self.context_of(instance).place}: what was sealed is no {self._kind.__name__}; set it again"
            ) from None

    def __set__(self, instance: object, value: T) -> None:
        """Have the value sealed at the next flush; the one that is there already is left as it is.

        Raises:
            NotSealableError: of another type.
        """
        if value is None:
            setattr(instance, self.key, None)
            return
        if type(value) is not self._kind and (self._kind is not str or not isinstance(value, str)):
            raise NotSealableError(
                f"{type(instance).__name__}.{self.name} takes {self._kind.__name__}, got {type(value).__name__}"
            )
        if self._check is not None:
            self._check(value)
        text = self._encode(value)
        if text != self._current_text(instance):
            setattr(instance, self.key, Sealed.waiting(text))

    def context_of(self, instance: object) -> Context:
        """Where the instance's value belongs.

        Raises:
            NotSealableError: the instance has no tenant or no primary key yet.
        """
        place = self.place_in(type(instance))
        tenant, row = getattr(instance, place.tenant), getattr(instance, place.row)
        if tenant is None or row is None:
            missing = place.tenant if tenant is None else place.row
            raise NotSealableError(f"{type(instance).__name__}.{missing} is not set: {self.name} is sealed for it")
        return Context(str(tenant), place.table, place.column, str(row))

    def place_in(self, model: type) -> flush.Place:
        """The table, column and attributes that a mapped class gives to the context."""
        place = self._places.get(model)
        if place is None:
            mapper: Mapper[Any] = class_mapper(model)
            place = self._places[model] = flush.Place.of(mapper, mapper.attrs[self.key])
        return place

    def _current_text(self, instance: object) -> str | None:
        """The text that is there, where that can be told without loading the row."""
        sealed = sa.inspect(instance).dict.get(self.key)
        if not isinstance(sealed, Sealed):
            return None
        if sealed.unsealed_text is not None:
            return sealed.unsealed_text
        try:
            return self._open(instance, sealed, self.context_of(instance), again=False)
        except EncryptionError:
            return None  # nobody can read it: whatever is set replaces it

    def _open(self, instance: object, sealed: Sealed, context: Context, *, again: bool = True) -> str:
        ring = flush.ring_of(instance, context)
        session = object_session(instance)
        fetch = None if session is None else lambda tenant: fetch_over(ring, session.connection())(tenant)
        try:
            return sealed.open(ring.opener(context.tenant, fetch), context)
        except RetiredKeyError:
            if session is None or not again or not sa.inspect(instance).persistent:
                raise
            # Read before a rotation reached the row, opened after it ended: the row itself is fine by now.
            with session.no_autoflush:
                session.refresh(instance, [self.key])
            fresh = getattr(instance, self.key)
            if not isinstance(fresh, Sealed) or fresh == sealed:
                raise
            return self._open(instance, fresh, context)


@overload
def encrypted_text(
    *, nullable: Literal[True], index: str | None = None, check: Check | None = None, sort_order: int = 0
) -> Encrypted[str | None]: ...


@overload
def encrypted_text(
    *, nullable: Literal[False] = False, index: str | None = None, check: Check | None = None, sort_order: int = 0
) -> Encrypted[str]: ...


def encrypted_text(
    *, nullable: bool = False, index: str | None = None, check: Check | None = None, sort_order: int = 0
) -> Any:
    """Declare a sealed text, not null unless ``nullable``; ``index`` names the column of its blind index.

    ``check`` sees a value before it is set, and raises what the model wants raised.
    """
    return Encrypted(str, str, str, nullable=nullable, index=index, check=check, sort_order=sort_order)


@overload
def encrypted_date(
    *, nullable: Literal[True], check: Check | None = None, sort_order: int = 0
) -> Encrypted[dt.date | None]: ...


@overload
def encrypted_date(
    *, nullable: Literal[False] = False, check: Check | None = None, sort_order: int = 0
) -> Encrypted[dt.date]: ...


def encrypted_date(*, nullable: bool = False, check: Check | None = None, sort_order: int = 0) -> Any:
    """Declare a sealed date (ISO 8601 inside); otherwise like `encrypted_text`."""
    return Encrypted(
        dt.date,
        dt.date.isoformat,
        dt.date.fromisoformat,
        nullable=nullable,
        index=None,
        check=check,
        sort_order=sort_order,
    )


def sealed_table(model: type) -> SealedTable:
    """What a rotation has to know of a mapped class: its table, its sealed columns, its tenant and key.

    Raises:
        NotSealableError: it has no sealed column, not the attribute that names its tenant, or a composite key.
    """
    mapper: Mapper[Any] = class_mapper(model)
    columns = _sealed_columns(mapper.local_table)
    if not columns:
        raise NotSealableError(f"{model.__name__} has no sealed column")
    place = flush.Place.of(mapper, mapper.get_property_by_column(columns[0]))
    return SealedTable(
        name=str(mapper.local_table),
        columns=tuple(column.name for column in columns),
        tenant_column=mapper.column_attrs[place.tenant].columns[0].name,
        key_column=mapper.primary_key[0].name,
    )


def sealed_tables(models: type[DeclarativeBase]) -> tuple[SealedTable, ...]:
    """Every sealed column of an application, table by table: its models are where that is said, and nowhere else.

    Raises:
        NotSealableError: as for `sealed_table`; or a table with a sealed column is of no model.
    """
    mapped = {mapper.local_table: mapper.class_ for mapper in models.registry.mappers}
    found = [table for _, table in sorted(models.metadata.tables.items()) if _sealed_columns(table)]
    for table in found:
        if table not in mapped:
            raise NotSealableError(f"{table} has a sealed column and no model, which says whose its rows are")
    return tuple(sealed_table(mapped[table]) for table in found)


def _sealed_columns(table: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    return [column for column in table.columns if isinstance(column.type, SealedText)]
