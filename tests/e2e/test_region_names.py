"""Regions by their names in Slack, for an assistant and at the terminal: shown beside the id, and taken as input."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.slack_bot import message_words, playing
from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from tests.unit.cli.operations.terminal import FakeTerminal
from tests.unit.mcp_server.harness import KEY, Human, client_of, text
from vpsops.core.app import open_core
from vpsops.core.config.settings import Settings
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

PLACE: Final = "Oslo, Norway (oslo)"
NAME: Final = "Oslo, Norway"
ORDER: Final = {"hostname": "web09.example.com", "plan": "vps-4gb-2cpu", "os_template": "ubuntu-24.04"}


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as handle:
        yield handle


@pytest.fixture
def settings(provider: SimulatorHandle, tmp_path: Path) -> Settings:
    database = f"sqlite:///{tmp_path / 'vpsops.db'}"
    values = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": provider.url, "VPSOPS_DATABASE_URL": database}
    return Settings.model_validate(values)


async def test_slack_shows_and_takes_names(tmp_path: Path) -> None:
    """A server, a filtered list, and the card of a change."""
    async with playing(tmp_path) as stage:
        await stage.slack.command("alice", "ops", "/vps", "show web01")
        await stage.private("alice", PLACE)
        await stage.slack.command("alice", "ops", "/vps", f'list region:"{NAME}"')
        assert PLACE in message_words(await stage.private("alice", "2 servers"))
        await stage.slack.command("alice", "ops", "/vps", "reboot web01")
        assert PLACE in message_words(await stage.card(words="Reboot web01.example.com"))


async def test_an_assistant_reads_and_says_names(settings: Settings) -> None:
    """In text beside the id, in structured content apart; a question names the place too."""
    human = Human()
    async with (
        open_core(settings, front="mcp", clock=VirtualClock(), timing=QUICK, accounts=EVERYBODY) as core,
        client_of(core, "2026-07-28", human) as client,
    ):
        await client.list_tools()
        listed = await client.call_tool("vps_list", {"region": NAME})
        assert PLACE in text(listed)
        assert listed.structured_content is not None
        server = listed.structured_content["servers"][0]
        assert (server["region"], server["region_name"]) == ("oslo", NAME)
        assert f"Region {PLACE}" in text(await client.call_tool("vps_get", {"server": "web01", "fields": ["region"]}))
        made = await client.call_tool("vps_create", {**ORDER, "region": NAME, "reason": "more"})
        assert not made.is_error, text(made)
    assert "Oslo, Norway (no)" in human.questions[0]


async def test_the_terminal_shows_and_takes_names(settings: Settings) -> None:
    """In a table, in one server's facts, in JSON, and in the question."""
    terminal = FakeTerminal(settings, typed=("no",))
    assert await terminal.run("list", "--region", NAME) == 0
    assert PLACE in terminal.result
    assert await terminal.run("show", "web01") == 0
    assert f"Region         {PLACE}" in terminal.result
    assert await terminal.run("show", "web01", "--json") == 0
    assert (terminal.document["region"], terminal.document["region_name"]) == ("oslo", NAME)
    await terminal.run("reboot", "web01")
    assert PLACE in terminal.shown
