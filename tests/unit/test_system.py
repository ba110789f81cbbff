"""``system.toml``: what it declares, and one clear line for each way to get it wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgvitals.errors import SuiteError
from pgvitals.system import System, load_system

WHOLE = """\
title = "clinic"
schema = "clinic"
tenant_tables = ["visits"]

[tenant]
table = "sites"
column = "site_id"
setting = "app.site"
traffic_table = "visits"

[roles]
owner = "clinic_owner"
app = "clinic_app"

[phi_columns]
visits = ["reason", "notes"]

[[impact]]
from = "a1"
to = "b2"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "clinic"
    made.mkdir()
    return made


def load(folder: Path, text: str) -> System:
    (folder / "system.toml").write_text(text, encoding="utf-8")
    return load_system(folder)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SuiteError) as caught:
        load(folder, text)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'system.toml'}: ")
    assert "\n" not in message
    return message


def test_a_system_is_named_after_its_folder_and_holds_its_policy(folder: Path) -> None:
    system = load(folder, WHOLE)
    assert (system.name, system.schema_name, system.primary_key) == ("clinic", "clinic", "uuid")
    assert system.tenant.setting == "app.site"
    assert system.roles.app == "clinic_app"
    assert system.phi_columns == {"visits": ("reason", "notes")}
    assert [(pair.from_revision, pair.to_revision) for pair in system.impact] == [("a1", "b2")]
    assert (system.dataset_path, system.migrations_path) == (folder / "dataset.py", folder / "migrations")


def test_a_policy_cannot_be_changed_once_read(folder: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(folder, WHOLE).roles.app = "postgres"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('schema = "clinic"', 'schema = "Clinic; drop"', "schema: String should match pattern"),
        ('column = "site_id"', 'column = "site id"', "tenant.column: String should match pattern"),
        ('setting = "app.site"', 'setting = "site"', "tenant.setting: String should match pattern"),
        ('table = "sites"', "", "tenant.table: Field required"),
        ('owner = "clinic_owner"', 'ower = "clinic_owner"', "roles.owner: Field required"),
        ('from = "a1"', 'from = ""', "impact.0.from: String should have at least 1 character, got ''"),
        ('title = "clinic"', 'title = "clinic"\nretention = 7', "retention: Extra inputs are not permitted"),
        ('title = "clinic"', 'title = "clinic"\nprimary_key = "serial"', "got 'serial'"),
        ('title = "clinic"', "title = 7", "title: Input should be a valid string, got 7"),
        ('tenant_tables = ["visits"]', 'tenant_tables = "visits"', "tenant_tables: Input should be a valid tuple"),
        ('title = "clinic"', 'title = "clinic"\nname = "other"', "name: the folder says it"),
        ('title = "clinic"', 'title = "clinic"\nfolder = "/tmp"', "folder: the folder says it"),
        ('title = "clinic"', 'title = "clinic', "not valid TOML: "),
        ('title = "clinic"', 'title = "clinic"\ntitle = "again"', "not valid TOML: "),
    ],
)
def test_what_is_wrong_is_said_with_key_and_value(folder: Path, old: str, new: str, said: str) -> None:
    assert said in refusal(folder, WHOLE.replace(old, new, 1))


def test_the_refused_value_is_shown_but_not_at_length(folder: Path) -> None:
    message = refusal(folder, WHOLE.replace('"site_id"', f'"{"x y" * 100}"'))
    assert "got 'x yx y" in message
    assert message.endswith("…")
    assert len(message.removeprefix(str(folder))) < 200


def test_a_folder_whose_name_is_no_identifier_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "my clinic"
    folder.mkdir()
    assert "name: String should match pattern" in refusal(folder, WHOLE)


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(SuiteError, match=r"system\.toml: cannot be read \(No such file or directory\)"):
        load_system(folder)


def test_a_file_that_is_not_utf8_is_refused_in_one_line(folder: Path) -> None:
    (folder / "system.toml").write_bytes(WHOLE.replace("clinic", "Ärzte", 1).encode("latin-1"))
    with pytest.raises(SuiteError, match=r"system\.toml: not UTF-8 text: .* at byte 9$"):
        load_system(folder)
