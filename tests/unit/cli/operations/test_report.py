"""`vpsops report`: the figures and changes that Slack shows, as a page and as a document."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.operations.terminal import FakeTerminal
from vpsops.cli.operations.report import label_of
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.config.settings import load_settings
from vpsops.core.console.exit_codes import GOOD, REFUSED, UNREACHABLE
from vpsops.playground.wayscloud import faults
from vpsops.playground.wayscloud.serve import SimulatorHandle

NO_READS = """
[[rule]]
id = "none"
risk = "change"
decision = "confirm"
"""
Make = Callable[..., FakeTerminal]


@pytest.fixture
def terminal(provider: SimulatorHandle, database_url: str, tmp_path: Path) -> Make:
    def make(*typed: str, policy: str = "") -> FakeTerminal:
        values = {
            "WAYSCLOUD_API_KEY": "wayscloud_vps_test1_SECRET",
            "WAYSCLOUD_API_URL": provider.url,
            "VPSOPS_DATABASE_URL": database_url,
            "VPSOPS_ACTOR": "ann@example.com",
        }
        if policy:
            (tmp_path / "vpsops.toml").write_text(policy)
            values["VPSOPS_CONFIG"] = str(tmp_path / "vpsops.toml")
        return FakeTerminal(load_settings(values), typed)

    return make


@pytest.mark.requirement("report-everywhere")
@pytest.mark.parametrize("words", [("label:team",), ("label=team",), ("--label", "team")])
async def test_it_adds_up_costs_by_a_label(terminal: Make, provider: SimulatorHandle, words: tuple[str, ...]) -> None:
    """In words, and as numbers; what a server costs that has no such label is a line of its own."""
    world = provider.simulator.world
    world.override(world.servers()[0], None, None, None, labels={"team": "shop"})
    screen = terminal("no")
    await screen.run("stop", "web01")
    assert await screen.run("report", *words) == GOOD
    assert "Cost by team      shop: " in screen.result
    assert "no label: " in screen.result
    assert await screen.run("report", *words, "--json") == GOOD
    document = screen.document
    assert (document["cost_by"], document["costs"][0]["value"]) == ("team", "shop")
    assert document["servers"] == {"running": 2}
    assert [change["operation"] for change in document["ended"]] == ["stop"]


async def test_without_a_label_it_is_by_owner(terminal: Make) -> None:
    """And open changes stand below the figures."""
    screen = terminal()
    assert await screen.run("report") == GOOD
    assert "Cost by owner     none: " in screen.result
    assert "Servers           2: 2 running" in screen.result


@pytest.mark.parametrize(("status", "code"), [(503, UNREACHABLE), (401, 3)])
async def test_the_exit_code_says_what_was_not_read(
    terminal: Make, provider: SimulatorHandle, status: int, code: int
) -> None:
    """The rest is shown all the same."""
    provider.simulator.faults.add(faults.parse({"kind": "status", "status": status, "match": {"operation": "list"}}))
    screen = terminal()
    assert await screen.run("report") == code
    assert "unavailable: " in screen.result
    assert "Agents            active" in screen.result


async def test_the_policy_decides_who_lists_servers(terminal: Make) -> None:
    """A reader whom it does not let list them sees no costs either."""
    screen = terminal(policy=NO_READS)
    assert await screen.run("report", "--json") == REFUSED
    assert "does not let you run list" in screen.document["problem"]
    assert "costs" not in screen.document or screen.document["costs"] == []


@pytest.mark.parametrize("typed", ["team", "label:", "label:team=shop", "owner:ann"])
async def test_other_words_are_refused_with_the_form(terminal: Make, typed: str) -> None:
    """A value is no key."""
    with pytest.raises(InvalidInputError):
        await terminal().run("report", typed)


def test_a_key_is_named_once() -> None:
    """As a word or as an option."""
    assert (label_of("", ""), label_of("LABEL:team", ""), label_of("", " team ")) == ("", "team", "team")
    with pytest.raises(InvalidInputError, match="one label"):
        label_of("label:team", "env")
