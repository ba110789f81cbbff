"""The roles of a system: one that owns its schema, one that the application works as.

Roles belong to the cluster: another database may have made them, or be making them right now. A user who
is no superuser needs to be let into them; before PostgreSQL 16 every member may SET ROLE.
"""

from __future__ import annotations

from psycopg import sql

_STATEMENT = """
do $$
declare
    wanted text;
    version constant int = current_setting('server_version_num');
begin
    foreach wanted in array {names} loop
        begin
            if not exists (select from pg_roles where rolname = wanted) then
                execute format('create role %I nologin nosuperuser nobypassrls', wanted);
            end if;
        exception when duplicate_object or unique_violation then
            null;
        end;
        if not pg_has_role(current_user, wanted, case when version < 160000 then 'member' else 'set' end) then
            execute format('grant %I to current_user', wanted);
        end if;
    end loop;
end
$$
"""


def make_roles(*names: str) -> str:
    """The statement by which a first revision makes these roles, if they are not there, and may act as them."""
    return _STATEMENT.format(names=sql.SQL("array[{}]").format(sql.SQL(", ").join(map(sql.Literal, names))).as_string())
