"""Extensions that a revision makes and takes away again, if it was the one that made them.

A comment tells such an extension from one that was there before, which others may need.
"""

from __future__ import annotations

from psycopg import sql

_MAKE = """
do $$
begin
    if not exists (select from pg_extension where extname = {given}) then
        create extension {name} schema public;
        comment on extension {name} is {mark};
    end if;
end
$$
"""
_DROP = """
do $$
begin
    if exists (
        select from pg_extension where extname = {given} and obj_description(oid, 'pg_extension') = {mark}
    ) then
        drop extension {name};
    end if;
end
$$
"""


def make_extension(name: str, revision: str) -> str:
    """The statement by which a revision makes an extension in ``public``, if there is none of that name."""
    return _filled(_MAKE, name, revision)


def drop_extension(name: str, revision: str) -> str:
    """The statement by which the way back drops the extension, if that revision made it."""
    return _filled(_DROP, name, revision)


def _filled(statement: str, name: str, revision: str) -> str:
    return (
        sql.SQL(statement)
        .format(given=sql.Literal(name), name=sql.Identifier(name), mark=sql.Literal(f"made by {revision}"))
        .as_string()
    )
