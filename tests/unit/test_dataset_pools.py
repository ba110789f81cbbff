"""Pools: drawn once, read from the cache afterwards, never from a file that is not whole."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from pgvitals.dataset import pools
from pgvitals.dataset.pools import PoolRecipe, draw_values, load_values, pool, pool_of
from pgvitals.dataset.streams import Stream
from pgvitals.errors import DatasetError

RECIPE = PoolRecipe(name="few", method="last_name", draws=60, tail=40)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "pgvitals" / "pools"


@pytest.fixture
def no_faker(monkeypatch):
    def refuse(recipe):
        raise AssertionError(f"pool {recipe.name} was drawn again")

    return lambda: monkeypatch.setattr(pools, "draw_values", refuse)


def only_file(cache):
    (path,) = cache.iterdir()
    return path


def test_a_second_reader_does_not_ask_faker(no_faker):
    drawn = load_values(RECIPE)
    no_faker()
    assert load_values(RECIPE) == drawn


@pytest.mark.parametrize("keep", [0, 30, 0.5, -1])
def test_half_a_file_is_never_used(cache, keep):
    drawn = load_values(RECIPE)
    path = only_file(cache)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    assert load_values(RECIPE) == drawn
    assert only_file(cache).read_bytes() == whole


def test_a_file_with_another_content_is_not_used(cache):
    drawn = load_values(RECIPE)
    path = only_file(cache)
    path.write_bytes(path.read_bytes().replace(drawn[0].encode(), b"Mallory"))
    assert load_values(RECIPE) == drawn


def test_a_changed_recipe_is_drawn_anew(cache):
    drawn = load_values(RECIPE)
    assert load_values(replace(RECIPE, draws=30)) != drawn
    assert len(list(cache.iterdir())) == 2


def test_another_version_of_faker_is_drawn_anew(cache, monkeypatch):
    load_values(RECIPE)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.1")
    load_values(RECIPE)
    versions = {
        json.loads(json.loads(path.read_bytes().split(b"\n")[0])["identity"])["faker"] for path in cache.iterdir()
    }
    assert len(versions) == 2


def test_no_partial_file_stays_behind(cache):
    load_values(RECIPE)
    assert [path.name for path in cache.iterdir() if path.name.startswith(".")] == []


def test_a_cache_that_cannot_be_made_gives_way_to_the_temporary_folder(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    spare = tmp_path / "spare"
    spare.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(spare))
    load_values(RECIPE)
    assert len(list((spare / f"pgvitals-{os.getuid()}" / "pools").iterdir())) == 1


def test_without_any_cache_the_values_are_the_same(tmp_path, monkeypatch):
    drawn = load_values(RECIPE)
    monkeypatch.setattr(pools, "cache_folder", lambda: None)
    assert load_values(RECIPE) == drawn


def test_values_are_distinct_and_have_the_asked_tail():
    drawn = draw_values(RECIPE)
    assert len(set(drawn)) == len(drawn)
    assert sum("-" in value for value in drawn) >= 40


def test_frequent_values_are_drawn_more_often():
    few = pool_of(RECIPE)
    drawn = few.positions(Stream("test"), 20_000)
    counts = np.bincount(drawn, minlength=len(few.values))
    assert counts[:10].sum() > 2 * counts[-10:].sum()


def test_an_unknown_pool_names_those_that_exist():
    with pytest.raises(DatasetError, match="unknown pool 'frist_names'; there are: companies"):
        pool("frist_names")


def test_what_is_left_out_of_a_column_is_not_drawn():
    given = np.arange(900) % 3 == 0
    some = pool_of(RECIPE).draw_some(Stream("some"), given)
    assert some.nulls.tolist() == (~given).tolist()
    assert some.values[given].tolist() == pool_of(RECIPE).draw(Stream("some"), 300).tolist()
    assert set(some.values[~given].tolist()) == {b""}
