"""The region of `vpsops policy explain`, by its id or its name."""

from dataclasses import replace

import pytest

from tests.harness.virtual_time import VirtualClock
from tests.unit.core.policy.facts import DB, asked
from vpsops.cli.policy.commands import with_region
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.policy import PolicyContext
from vpsops.core.wayscloud.answers.regions import canonical_region
from vpsops.playground.wayscloud.serve import SimulatorHandle

KEY = "wayscloud_vps_test1_SECRET"
UNREAD = " (taken as an id: the names of regions cannot be read)"


def facts(region: str) -> PolicyContext:
    return asked(target=replace(DB, region=region))


def settings(provider: SimulatorHandle, key: str = KEY) -> Settings:
    return load_settings({"WAYSCLOUD_API_URL": provider.url} | ({"WAYSCLOUD_API_KEY": key} if key else {}))


@pytest.mark.parametrize("typed", ["Oslo, Norway", "oslo", "NO", "Oslo, Norway (NO)"])
async def test_a_region_is_explained_by_its_name_and_its_id(provider: SimulatorHandle, typed: str) -> None:
    """Whichever was typed, a rule about the id is decided for it, and the answer says which region it is."""
    known, line = await with_region(facts(typed), settings(provider), VirtualClock())
    assert known.target is not None
    assert (canonical_region(known.region), known.target.region) == ("NO", known.region)
    assert line == f"region: Oslo, Norway ({known.region})."


async def test_without_a_key_a_region_is_taken_as_an_id(provider: SimulatorHandle) -> None:
    """The answer says so, since a name would match no rule."""
    known, line = await with_region(facts("Oslo, Norway"), settings(provider, key=""), VirtualClock())
    assert (known.region, line) == ("Oslo, Norway", f"region: Oslo, Norway{UNREAD}.")


@pytest.mark.parametrize("about", [facts(""), asked("list")])
async def test_what_has_no_region_needs_no_names(provider: SimulatorHandle, about: PolicyContext) -> None:
    """The facts stay, and nothing is said of it."""
    assert await with_region(about, settings(provider), VirtualClock()) == (about, "")
