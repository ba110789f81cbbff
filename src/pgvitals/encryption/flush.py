"""What a flush does for sealed attributes: seal what waits, keep blind indexes in step, refuse what would not open."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Mapper, MapperProperty, object_session
from sqlalchemy.orm.attributes import get_history
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE

from pgvitals.encryption.blind import blind_index, normalised
from pgvitals.encryption.cipher import seal
from pgvitals.encryption.context import Context
from pgvitals.encryption.fence import sealing_key
from pgvitals.encryption.ring import KeyRing
from pgvitals.encryption.sealed import Sealed
from pgvitals.errors import KeyRingMissingError, NotSealableError

if TYPE_CHECKING:
    from pgvitals.encryption.orm import Encrypted

KEY_RING = "key_ring"
"""Where a session's ``info`` holds its key ring."""
_CAME_WITH = "_pgvitals_key_ring"
_declared: WeakKeyDictionary[type, list[Encrypted[Any]]] = WeakKeyDictionary()
"""Sealed attributes by the class or mixin that declares them."""


@dataclass(frozen=True, slots=True)
class Place:
    """A sealed column, and the attributes that hold its row's tenant and key."""

    table: str
    column: str
    tenant: str
    row: str

    @classmethod
    def of(cls, mapper: Mapper[Any], attribute: MapperProperty[Any]) -> Place:
        """Read from the mapping.

        Raises:
            NotSealableError: the model has a composite key, or not the attribute that names its tenant.
        """
        model = mapper.class_
        tenant = getattr(model, "__tenant_attribute__", "workspace_id")
        if tenant not in mapper.column_attrs:
            raise NotSealableError(
                f"{model.__name__} has sealed columns and no attribute {tenant!r} that names its tenant; "
                "set __tenant_attribute__"
            )
        if len(mapper.primary_key) != 1:
            raise NotSealableError(f"{model.__name__}: a sealed row needs a primary key of one column")
        column = mapper.column_attrs[attribute.key].columns[0]
        row = mapper.get_property_by_column(mapper.primary_key[0]).key
        assert isinstance(column, sa.Column)
        return cls(column.table.name, column.name, tenant, row)


class _CameWith:
    """The key ring of the session that an instance came from: it opens what is read after that session."""

    __slots__ = ("ring",)

    def __init__(self, ring: KeyRing | None) -> None:
        self.ring = ring

    def __reduce__(self) -> tuple[type[_CameWith], tuple[None]]:
        return _CameWith, (None,)  # instances may be pickled, keys not


def ring_of(instance: object, context: Context) -> KeyRing:
    """The key ring of the instance's session, or of the one that it came from.

    Raises:
        KeyRingMissingError: there is none.
    """
    session = object_session(instance)
    ring = session.info.get(KEY_RING) if session is not None else None
    if ring is None:
        kept = vars(instance).get(_CAME_WITH)
        ring = kept.ring if kept is not None else None
    if not isinstance(ring, KeyRing):
        raise KeyRingMissingError(
            f"{context.place}: no key ring to seal or open with; "
            f"sessionmaker(engine, info={{{KEY_RING!r}: KeyRing(default_provider(), fetch_from(engine, …))}})"
        )
    return ring


def seal_on_flush(model: type, field: Encrypted[Any]) -> None:
    """Listen to a class that is about to be mapped, or to what inherits from a mixin."""
    if model not in _declared:
        _declared[model] = []
        event.listen(model, "load", _remember_ring, propagate=True)
        event.listen(model, "before_insert", _before_insert, propagate=True)
        event.listen(model, "before_update", _before_update, propagate=True)
    _declared[model].append(field)


def encrypted_fields(model: type) -> list[Encrypted[Any]]:
    """The sealed attributes of a class, its own and inherited ones."""
    return [field for cls in model.__mro__ for field in _declared.get(cls, ())]


def _remember_ring(target: object, context: Any) -> None:
    session = object_session(target)  # a merge without a load has no query context
    ring = session.info.get(KEY_RING) if session is not None else None
    if ring is not None:
        vars(target)[_CAME_WITH] = _CameWith(ring)


def _before_insert(mapper: Mapper[Any], connection: sa.Connection, target: object) -> None:
    _draw_key(mapper, target)
    _seal(connection, target)


def _before_update(mapper: Mapper[Any], connection: sa.Connection, target: object) -> None:
    fields = encrypted_fields(type(target))
    place = fields[0].place_in(type(target))
    for name in (place.tenant, place.row):
        if _changed(target, name) and _stored(mapper, connection, target, name) != getattr(target, name):
            raise NotSealableError(
                f"{type(target).__name__}.{name} is part of what seals the row and cannot change; "
                "make a new row and set its texts"
            )
    _seal(connection, target)


def _draw_key(mapper: Mapper[Any], target: object) -> None:
    """Give the row its id now, if the database would only give it on the way in."""
    column = mapper.primary_key[0]
    name = mapper.get_property_by_column(column).key
    if getattr(target, name) is not None:
        return
    if column.type.python_type is not uuid.UUID:
        raise NotSealableError(f"{type(target).__name__}.{name} must be set before the flush: the row is sealed for it")
    setattr(target, name, uuid.uuid4())


def _changed(target: object, name: str) -> bool:
    return get_history(target, name, PASSIVE_NO_INITIALIZE).has_changes()


def _stored(mapper: Mapper[Any], connection: sa.Connection, target: object, name: str) -> Any:
    """The value that an attribute has in the database: it may have been set without ever being loaded."""
    key = mapper.primary_key[0]
    identity = sa.inspect(target).identity
    return connection.scalar(sa.select(mapper.column_attrs[name].columns[0]).where(key == identity[0]))


def _seal(connection: sa.Connection, target: object) -> None:
    for field in encrypted_fields(type(target)):
        sealed = sa.inspect(target).dict.get(field.key)
        changed = _changed(target, field.key)
        if changed and isinstance(sealed, Sealed):
            _seal_value(connection, target, field, sealed)
        if field.index is not None and (changed or _changed(target, field.index)):
            _index_value(connection, target, field)


def _seal_value(connection: sa.Connection, target: object, field: Encrypted[Any], sealed: Sealed) -> None:
    context = field.context_of(target)
    ring = ring_of(target, context)
    version, key = sealing_key(connection, ring, context.tenant)
    text = sealed.unsealed_text
    if text is None:
        # Bytes from somewhere else: they open here, or are not stored.
        text = sealed.open(ring.opener(context.tenant), context)
        if sealed.version == version:
            return
    setattr(target, field.key, Sealed.opened(seal(key, version, text, context), text, context))
    vars(target)[_CAME_WITH] = _CameWith(ring)


def _index_value(connection: sa.Connection, target: object, field: Encrypted[Any]) -> None:
    assert field.index is not None
    text = getattr(target, field.name)
    blind = None
    if text is not None and normalised(text):
        context = field.context_of(target)
        ring = ring_of(target, context)
        sealing_key(connection, ring, context.tenant)
        blind = blind_index(ring.index_key(context.tenant), text)
    setattr(target, field.index, blind)
