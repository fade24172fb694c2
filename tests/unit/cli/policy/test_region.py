"""Regions in `vpsops policy`: explained by id or name, and named in what is shown and compared."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.provider import refused_port
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.policy.facts import DB, asked
from vpsops.cli.policy import force
from vpsops.cli.policy.commands import with_region
from vpsops.cli.policy.force import ForceOptions
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.policy import PolicyContext
from vpsops.core.storage import open_database
from vpsops.core.wayscloud.answers.regions import canonical_region
from vpsops.playground.wayscloud.serve import SimulatorHandle

KEY = "wayscloud_vps_test1_SECRET"
POLICY = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"
"""
LINE = "Regions: Oslo, Norway (NO)."
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


ELSEWHERE = POLICY.replace("reads", "oslo").replace("read", "change") + 'region = ["oslo", "XX"]\n'


async def play(
    command: force.Command, address: str, file: Path, capsys: pytest.CaptureFixture[str], options: ForceOptions
) -> list[str]:
    """Run one of the commands about the policy in force with a provider and a file, and return its lines."""
    clock = VirtualClock()
    env = {"WAYSCLOUD_API_URL": address, "WAYSCLOUD_API_KEY": KEY, "VPSOPS_CONFIG": str(file)}
    database = f"sqlite:///{file.with_name('vpsops.sqlite3')}"
    async with open_database(database, clock, make=True) as opened:
        await command(opened, load_settings(env), options, clock)
    return capsys.readouterr().out.splitlines()


def files(folder: Path) -> tuple[Path, Path]:
    """Write a policy without regions, and one with two."""
    before, after = folder / "before.toml", folder / "after.toml"
    before.write_text(POLICY)
    after.write_text(POLICY + ELSEWHERE)
    return before, after


async def test_the_policy_in_force_and_a_difference_name_their_regions(
    provider: SimulatorHandle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each id with a name is read with it; in the file that is shown, as a comment, so that it can be applied."""
    before, after = files(tmp_path)
    address, yes, plain = provider.url, ForceOptions(yes=True), ForceOptions()
    await play(force.apply_policy, address, before, capsys, yes)
    assert not [line for line in await play(force.show_policy, address, before, capsys, plain) if "egion" in line]
    assert LINE in await play(force.diff_policy, address, after, capsys, plain)
    assert LINE in await play(force.apply_policy, address, after, capsys, yes)
    assert LINE in await play(force.diff_policy, address, before, capsys, plain)
    shown = await play(force.show_policy, address, after, capsys, plain)
    assert f"# {LINE}" in shown
    after.write_text("\n".join(shown))
    assert "is in force already" in (await play(force.apply_policy, address, after, capsys, yes))[0]
    about = json.loads("\n".join(await play(force.show_policy, address, after, capsys, ForceOptions(json=True))))
    assert [rule["region"] for rule in about["policy"]["rules"] if "region" in rule] == [["NO", "XX"]]


async def test_regions_without_names_stand_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A provider that is not reached holds nothing up, and nothing is said of names."""
    before, after = files(tmp_path)
    address = f"http://127.0.0.1:{await refused_port()}"
    await play(force.apply_policy, address, before, capsys, ForceOptions(yes=True))
    compared = await play(force.diff_policy, address, after, capsys, ForceOptions())
    assert [line for line in compared if line.startswith("+ rule oslo")]
    assert not [line for line in compared if line.startswith("Regions:")]
