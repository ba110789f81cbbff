"""A policy inferred from names and types: a proposal that says why, and that can be edited and read back."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pgvitals.audit.foreign import ForeignSystem, load_foreign, render_policy
from pgvitals.audit.infer import Inferred, infer
from pgvitals.audit.survey import Column, Reference, Schema, Table
from pgvitals.audit.words import looks_like_audit, looks_like_phi, looks_like_record, snake, tenant_weight
from pgvitals.errors import SuiteError

OIDS = {
    name: number for number, name in enumerate(("clinics", "Patients", "visits", "visit_files", "countries", "log"))
}


def table(name: str, *columns: str, refers: dict[str, str] | None = None, rows: int = 0, **changes: object) -> Table:
    """A table; a column is ``name type``, and not null."""
    made = Table(oid=OIDS.get(name, 99), schema="care", name=name, owner="boss", rows=rows)
    for each in columns:
        column, _, type_ = each.partition(" ")
        made.columns[column] = Column(name=column, type=type_, is_not_null=True)
    made.primary_key = (next(iter(made.columns)),)
    for column, target in (refers or {}).items():
        made.references.append(Reference(columns=(column,), target=OIDS[target], cascades=False))
    for key, value in changes.items():
        setattr(made, key, value)
    return made


def clinic() -> Schema:
    """A schema as somebody else may have made it."""
    log = "begin insert into care.log values (tg_op); return null; end"
    policy = {"policies": ["(clinic_id = (current_setting('my.clinic'))::bigint)"], "policy_functions": [""]}
    tables = (
        table("clinics", "id bigint", "name text", "phone text"),
        table(
            *("Patients", "id bigint", "clinic_id bigint", "fullName text", "dateOfBirth date", "is_active boolean"),
            refers={"clinic_id": "clinics"}, rows=10, triggers=[log], **policy,
        ),
        table(
            *("visits", "id bigint", "clinic_id bigint", "patient_id bigint", "notes text", "deleted_at timestamptz"),
            refers={"clinic_id": "clinics", "patient_id": "Patients"}, rows=500, triggers=[log], **policy,
        ),
        table("visit_files", "id bigint", "visit_id bigint", "title text", refers={"visit_id": "visits"}),
        table("countries", "code text", "name text"),
        table("log", "id bigint", "table_name text", "action text", "created_at timestamptz"),
        table("access_log", "id bigint", "who text", "occurred_at timestamptz"),
    )  # fmt: skip
    return Schema(name="care", tables={each.name: each for each in tables}, writers={"app": 6, "loader": 1})


@pytest.fixture
def inferred() -> Inferred:
    """What is inferred of it."""
    return infer(clinic())


def test_the_column_that_policies_compare_says_whose_a_row_is(inferred: Inferred) -> None:
    tenant = inferred.system.tenant
    assert (tenant.table, tenant.column, tenant.type, tenant.setting) == ("clinics", "clinic_id", "bigint", "my.clinic")
    assert tenant.traffic_table == "visits"
    assert inferred.reasons["tenant"] == ("clinic_id is in 2 of 7 tables; 2 policies compare it; most refer to clinics")


def test_tables_are_a_tenant_s_through_the_column_through_a_parent_or_not_at_all(inferred: Inferred) -> None:
    system = inferred.system
    assert system.tenant_tables == ("Patients", "visits")
    assert system.child_tables == {"visit_files": "visits"}
    assert system.shared_tables == ("countries", "log", "access_log")


def test_health_data_is_what_names_and_types_say(inferred: Inferred) -> None:
    assert inferred.system.phi_columns == {
        "Patients": ("fullName", "dateOfBirth"),
        "visits": ("notes",),
        "visit_files": ("title",),
    }
    assert inferred.system.phi_encryption == "storage"


def test_the_trail_is_where_triggers_write_and_what_they_watch_is_audited(inferred: Inferred) -> None:
    assert inferred.system.audit_table == "access_log"  # "log" alone says too little
    assert "0 tables' triggers write to it" in inferred.reasons["audit_table"]
    schema = clinic()
    schema.tables["audit_log"] = schema.tables.pop("log")
    for each in schema.tables.values():
        each.triggers = [source.replace("care.log", 'care."audit_log"') for source in each.triggers]
    system = infer(schema).system
    assert system.audit_table == "audit_log"
    assert system.audited_tables == ("Patients", "visits", "visit_files")


def test_records_and_what_deletes_softly_are_to_be_kept(inferred: Inferred) -> None:
    assert inferred.system.retention_tables == ("Patients", "visits", "visit_files")
    assert inferred.system.deleted_rows == "visible"


def test_the_application_is_who_may_write_most_and_owns_nothing(inferred: Inferred) -> None:
    assert (inferred.system.roles.owner, inferred.system.roles.app) == ("boss", "app")


def test_a_convention_of_keys_is_one_that_nearly_all_keep(inferred: Inferred) -> None:
    assert inferred.system.primary_key == "any"
    schema = clinic()
    for each in schema.tables.values():
        name = each.primary_key[0]
        each.columns[name] = Column(name=name, type="character varying(26)", is_not_null=True)
    assert infer(schema).system.primary_key == "ulid"


def test_without_tenants_roles_and_trail_nothing_is_made_up() -> None:
    alone = Schema(name="s", tables={"notes": table("notes", "id uuid", "body text")}, writers={})
    system = infer(alone).system
    assert (system.tenant.column, system.tenant_tables, system.shared_tables) == ("", (), ())
    assert (system.roles.app, system.audit_table) == ("", None)


def test_what_is_written_is_read_back_the_same(inferred: Inferred, tmp_path: Path) -> None:
    path = tmp_path / "care.toml"
    path.write_text(render_policy(inferred.system, inferred.reasons), encoding="utf-8")
    assert load_foreign(path) == inferred.system.model_copy(update={"folder": tmp_path.resolve()})


@pytest.mark.parametrize("name", ['say "hi"', "back\\slash", "new\nline", "del\x7f", "ümläut", "a.b", "'"])
def test_the_oddest_names_survive_in_the_file(name: str, tmp_path: Path) -> None:
    system = infer(Schema(name=name, tables={name: table(name, "id uuid", "email text")}, writers={name: 1})).system
    path = tmp_path / "odd.toml"
    path.write_text(render_policy(system, {"": name, "phi_columns": name}), encoding="utf-8")
    read = load_foreign(path)
    assert (read.schema_name, read.phi_columns, read.roles.app) == (name, {name: ("email",)}, name)


def test_every_key_has_its_reason_above_it(inferred: Inferred) -> None:
    lines = render_policy(inferred.system, inferred.reasons).splitlines()
    for key in ("tenant_tables", "audited_tables", "retention_tables", "audit_table", "primary_key"):
        place = next(number for number, line in enumerate(lines) if line.startswith(f"{key} ="))
        assert lines[place - 1].startswith("# ")
    assert max(map(len, lines)) <= 120
    tomllib.loads("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('title = "x"\n', "name: String should have at least 1 character"),
        ('title = "x"\nschema = "s"\ncolour = 1\n', "colour: Extra inputs are not permitted"),
        ('title = "x"\nschema = "s"\n[tenant]\ncolumn = 7\n', "tenant.column: Input should be a valid string"),
        ("title", "not valid TOML"),
    ],
)
def test_a_policy_that_is_wrong_is_named_with_its_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(SuiteError, match=message.replace(".", r"\.")):
        load_foreign(path)


def test_a_policy_may_lack_tenant_and_roles(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('title = "x"\nschema = "Old Clinic"\n')
    system = load_foreign(path)
    assert isinstance(system, ForeignSystem)
    assert (system.name, system.tenant.column, system.roles.owner) == ("Old Clinic", "", "")


@pytest.mark.parametrize(
    ("name", "told"),
    [("dateOfBirth", "date_of_birth"), ("Date Of Birth", "date_of_birth"), ("SSN", "ssn"), ("HTTPLog", "http_log")],
)
def test_names_are_read_in_any_case(name: str, told: str) -> None:
    assert snake(name) == told


@pytest.mark.parametrize(
    ("table_", "column", "type_"),
    [
        ("patients", "first_name", "text"),
        ("people", "DOB", "date"),
        ("users", "email", "citext"),
        ("clients", "address_line2", "character varying(200)"),
        ("patients", "ssn", "character(11)"),
        ("charts", "diagnosis_code", "text"),
        ("sessions", "assessment", "bytea"),
        ("appointments", "reason", "text"),
        ("members", "emergency_contact_phone", "text"),
        ("patients", "birth_date", "timestamp without time zone"),
    ],
)
def test_a_column_about_a_person_or_its_health_is_found(table_: str, column: str, type_: str) -> None:
    assert looks_like_phi(table_, column, type_)


@pytest.mark.parametrize(
    ("table_", "column", "type_"),
    [
        ("patients", "id", "uuid"),
        ("patients", "email_verified", "boolean"),
        ("patients", "email_verified_at", "timestamp with time zone"),
        ("clients", "email_hash", "bytea"),
        ("clinics", "phone", "text"),
        ("locations", "zip_code", "text"),
        ("products", "title", "text"),
        ("user_sessions", "summary", "text"),
        ("appointments", "status", "text"),
        ("appointments", "notes_count", "integer"),
        ("documents", "document_type", "text"),
    ],
)
def test_a_column_about_neither_is_left_alone(table_: str, column: str, type_: str) -> None:
    assert not looks_like_phi(table_, column, type_)


@pytest.mark.parametrize("name", ["audit_log", "AuditEvents", "access_logs", "user_activity_log", "change_history"])
def test_a_trail_is_known_by_its_name(name: str) -> None:
    assert looks_like_audit(name)


@pytest.mark.parametrize("name", ["auditions", "blog", "logins", "events", "catalogs"])
def test_what_only_sounds_like_a_trail_is_none(name: str) -> None:
    assert not looks_like_audit(name)


def test_logins_are_no_records_and_sessions_of_care_are() -> None:
    assert [looks_like_record(name) for name in ("user_sessions", "sessions", "TherapySessions")] == [False, True, True]


def test_the_name_of_a_tenant_column_weighs_by_how_often_it_is_one() -> None:
    assert tenant_weight("tenantId") > tenant_weight("clinic_id") > tenant_weight("customer_id") > 0
    assert tenant_weight("created_by") == tenant_weight("tenant_name") == 0
