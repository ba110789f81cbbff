"""Settings of a load test travel through the environment of the process that runs it."""

from pathlib import Path

import pytest

from pgvitals.errors import LoadTestError
from pgvitals.load.settings import Settings, from_environment
from pgvitals.profile import LoadPlan


def test_settings_survive_the_environment() -> None:
    settings = Settings(rate=123.456789, seconds=2.5, seed=99, systems=("pazpaz", "portal"), out=Path("/results/x y"))
    assert from_environment(settings.variables()) == settings


def test_an_empty_environment_means_the_default_plan() -> None:
    settings = from_environment({"PGVITALS_LOAD_RATE": "", "PGVITALS_LOAD_SYSTEMS": " , "})
    assert (settings.rate, settings.seconds) == (LoadPlan().rate, LoadPlan().seconds)
    assert settings.systems == ()
    assert settings.out is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("PGVITALS_LOAD_RATE", "fast"), ("PGVITALS_LOAD_SEED", "1.5"), ("PGVITALS_LOAD_SECONDS", "5s")],
)
def test_a_value_that_is_no_number_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(LoadTestError, match=f"{name}.*{value}"):
        from_environment({name: value})
