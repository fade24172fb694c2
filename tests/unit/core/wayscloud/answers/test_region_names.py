"""Names of regions: made from what the provider lists, and read back as the ids that they stand for."""

from typing import Final

import pytest

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.wayscloud.answers.models import Region, Server
from vpsops.core.wayscloud.answers.region_names import NO_NAMES, name_of, region_names

OSLO: Final = Region(code="no", name="Norway", city="Oslo", country="NO")
HELSINKI: Final = Region(code="fi", name="Finland", city="Helsinki", country="FI")
TURKU: Final = Region(code="fi-2", name="Finland", city="Turku", country="FI")
NAMES: Final = region_names([OSLO, HELSINKI, TURKU])


@pytest.mark.parametrize(
    ("region", "name"),
    [
        (OSLO, "Oslo, Norway"),
        (Region(code="oslo", name="Oslo, Norway", country="NO"), "Oslo, Norway"),
        (Region(code="oslo", name="Oslo", country="Norway"), "Oslo, Norway"),
        (Region(code="no", name="Norge", country="NO"), "Norge"),
        (Region(code="no", name="Oslo", city="Oslo"), "Oslo"),
        (Region(code="no", name="Norway - Oslo", city="Oslo"), "Norway - Oslo"),
        (Region(code="no", country="NO"), ""),
        (Region(code="oslo", name="Oslo", country="NOR"), "Oslo, NOR"),
        (Region(code="no", city="Oslo", name="OSLO", country="Norway"), "Oslo, Norway"),
        (Region(code="no", name="Os\u202elo\n", city="x" * 100), f"{'x' * 59}…, Oslo"),
    ],
)
def test_a_name_holds_city_and_country_once(region: Region, name: str) -> None:
    """In whichever fields an edition of the API has them; on one line, and bounded."""
    assert name_of(region) == name


@pytest.mark.parametrize(
    ("region", "shown"),
    [("NO", "Oslo, Norway (NO)"), ("oslo", "Oslo, Norway (oslo)"), ("SE", "SE"), (None, "")],
)
def test_a_server_shows_the_name_beside_the_id(region: str | None, shown: str) -> None:
    """The id that the server itself has; alone where no name is known."""
    server = NAMES.applied_to(Server(id="1", hostname="web01", status="running", region=region))
    assert server.place == shown
    assert server.region == region
    assert (server.region_name is None) is ("Oslo" not in shown)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("Oslo, Norway", "no"),
        ("oslo norway", "no"),
        ("HELSINKI", "fi"),
        ("Helsinki, Finland (fi)", "fi"),
        ("Oslo, Norway (oslo)", "oslo"),
        ("no", "no"),
        ("FI", "FI"),
        ("  Helsinki, Finland ( fi ) ", "fi"),
        ("Norway", "Norway"),
        ("atlantis", "atlantis"),
    ],
)
def test_a_name_stands_for_its_id(typed: str, code: str) -> None:
    """As it is shown, or in part; ids and what is not known stay as they were typed."""
    assert NAMES.id_of(typed) == code


def test_a_name_of_two_regions_is_not_guessed() -> None:
    """Both are named."""
    with pytest.raises(InvalidInputError, match="fi, fi-2"):
        NAMES.id_of("Finland")


@pytest.mark.parametrize("typed", ["Helsinki (no)", "Oslo, Norway (fi)", "Finland (NO)"])
def test_a_name_that_contradicts_its_id_is_refused(typed: str) -> None:
    """It may be a slip in either, and a server in another country is the price of a guess."""
    with pytest.raises(InvalidInputError, match="another region"):
        NAMES.id_of(typed)


@pytest.mark.parametrize(
    ("typed", "code"),
    [("Turku (fi-2)", "fi-2"), ("Finland (fi-2)", "fi-2"), ("Sweden (se)", "se"), ("Malmö (se-2)", "se-2")],
)
def test_a_part_of_a_name_agrees_with_its_id(typed: str, code: str) -> None:
    """As does the name of a region that the list does not name."""
    assert region_names([OSLO, HELSINKI, TURKU, Region(code="se")]).id_of(typed) == code


def test_a_name_with_brackets_of_its_own_is_that_name() -> None:
    """What stands in them is no id, although another region may have it."""
    names = region_names([OSLO, Region(code="ams-1", name="Amsterdam (no)")])
    assert names.id_of("Amsterdam (NO)") == "ams-1"
    assert names.id_of("Amsterdam (no) (ams-1)") == "ams-1"


def test_a_word_that_the_provider_maps_itself_stays() -> None:
    """Although two regions may have it, or one has nothing but an id."""
    names = region_names([OSLO, Region(code="no-2", name="Norway"), Region(code="se")])
    assert names.id_of(" norway ") == " norway "
    assert names.name_of("SE") == ""


def test_without_a_list_ids_stand_alone() -> None:
    """Nothing is asked of what is not known."""
    assert (NO_NAMES.id_of("Helsinki"), NO_NAMES.name_of("fi")) == ("Helsinki", "")
