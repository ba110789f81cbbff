"""People and places: what belongs together stays together."""

import re
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pgvitals.dataset.people import ORIGINS, draw_people, fold, join, people_at
from pgvitals.dataset.places import places
from pgvitals.dataset.pools import PoolRecipe, load_values
from pgvitals.dataset.streams import Stream, key_of


@pytest.fixture(scope="module")
def people():
    return draw_people(Stream("people"), 5_000)


def test_names_are_both_ascii_and_not(people):
    ascii_only = np.array([name.isascii() for name in people.full.tolist()])
    assert 0.05 < (~ascii_only).mean() < 0.4


def test_a_last_name_comes_from_the_country_of_the_first(people):
    polish = set(load_values(PoolRecipe(name="p", method="first_name", locale="pl_PL", draws=20_000)))
    other = {
        name
        for locale in ("en_US", "es_MX", "de_DE", "fr_FR", "sv_SE")
        for name in load_values(PoolRecipe(name="p", method="first_name", locale=locale, draws=20_000))
    }
    surnames = set(load_values(PoolRecipe(name="p", method="last_name", locale="pl_PL", draws=20_000)))
    pairs = [(first.decode(), last.decode()) for first, last in zip(people.first, people.last, strict=True)]
    lasts = [last for first, last in pairs if first in polish - other]
    assert len(lasts) > 50
    assert set(lasts) <= surnames


def test_a_first_name_goes_with_the_sex(people):
    women, men = (
        set(load_values(PoolRecipe(name="p", method=f"first_name_{sex}", locale="en_US", draws=20_000)))
        for sex in ("female", "male")
    )
    american = people.origin == list(ORIGINS).index("en_US")
    for of, names, others in ((people.woman, women, men), (~people.woman, men, women)):
        first = {name.decode() for name in people.first[of & american].tolist()}
        assert first & (names - others)
        assert not first & (others - names)


def test_somebody_of_an_index_is_the_same_among_others_and_alone():
    key = key_of("people")
    together, alone = people_at(key, np.arange(500)), people_at(key, np.array([321]))
    assert together.take(np.array([321])).full.tolist() == alone.full.tolist()
    assert len(set(together.full.tolist())) > 450


def test_there_are_far_more_surnames_than_faker_knows(people):
    assert len(set(people.last.tolist())) > 2_000


def test_an_address_is_ascii_and_unique_by_its_number(people):
    emails = people.emails(Stream("email"), np.arange(5_000))
    assert len(set(emails.tolist())) == 5_000
    assert all(email.isascii() and email.count(b"@") == 1 and b" " not in email for email in emails.tolist())


@pytest.mark.parametrize(
    ("name", "plain"),
    [("Łukasz", "lukasz"), ("Müller-Weiß", "mullerweiss"), ("de la Peña", "delapena"), ("李", "mail")],
)
def test_names_fold_to_plain_letters(name, plain):
    assert fold(name) == plain


def test_columns_are_joined_row_by_row():
    assert join(np.array([b"a", b"bb"]), b"-", np.array([b"x", b"yyy"])).tolist() == [b"a-x", b"bb-yyy"]


def test_every_place_has_a_time_zone_and_five_digits():
    assert {len(code) for code in places().zip_code.tolist()} == {5}
    assert all(code.isdigit() for code in places().zip_code.tolist())
    assert all(ZoneInfo(zone.decode()) for zone in set(places().zone.tolist()))


def test_the_largest_place_has_a_share_near_three_percent():
    drawn = places().draw(Stream("places"), 50_000)
    assert 0.02 < np.bincount(drawn).max() / 50_000 < 0.045


def test_near_means_the_same_city():
    home = places().draw(Stream("homes"), 500)
    near = places().near(home, Stream("near").uniform(500))
    assert (places().city[near] == places().city[home]).all()
    assert (places().state[near] == places().state[home]).all()
    assert (places().zip_code[near] != places().zip_code[home]).any()


def test_a_telephone_has_the_area_code_of_its_place_and_rings_nowhere():
    at = places().draw(Stream("homes"), 2_000)
    numbers = places().telephones(at, Stream("line").uniform(2_000)).tolist()
    assert all(re.fullmatch(rb"[2-9]\d\d-555-\d{4}", number) for number in numbers)
    by_city = {(city, state): set() for city, state in zip(places().city[at], places().state[at], strict=True)}
    for where, number in zip(zip(places().city[at], places().state[at], strict=True), numbers, strict=True):
        by_city[where].add(number[:3])
    assert {len(areas) for areas in by_city.values()} == {1}
    assert len(set(numbers)) > 1_900
