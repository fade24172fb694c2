"""Run by `test_made_up.py` in a process of its own, with the made-up entries in the table before front ends load."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.e2e.outside.entries import MADE_UP
from tests.fakes.provider import KEY
from tests.fakes.slack_bot import BotHarness, Scene, message_words, stage
from tests.fakes.timing import QUICK
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.cli.operations.terminal import FakeTerminal
from tests.unit.mcp_server.harness import ANN, Human, client_of, text
from vpsops.core.app import Core
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.limits.access import AccessScope, Restriction
from vpsops.core.operations.server_lookup import find_server
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.mcp_server.server import ServerOptions, build_server
from vpsops.playground.wayscloud.faults.config import SimulatorConfig

COPIES = '[limits.mcp]\ntoolsets = ["servers", "changes", "copies"]\n'
BY_NAME = {operation.name: operation for operation in MADE_UP}
RULES = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "changes"
risk = ["change", "disruptive", "destructive"]
decision = "confirm"
confirm_in = ["client"]
"""


@asynccontextmanager
async def playing(folder: Path, limits: str = "") -> AsyncIterator[tuple[BotHarness, Core]]:
    """Run a bot and its core between both simulators, under a policy that asks the asker's own human."""
    (folder / "vpsops.toml").write_text(f"{RULES}\n{limits}")
    timing = replace(QUICK, missing_limit=2.0)
    provider = SimulatorConfig(speed=600, dialect="live")
    scene = Scene(provider=provider, timing=timing, settings={"VPSOPS_CONFIG": str(folder / "vpsops.toml")})
    async with stage(folder, scene) as world, world.bot() as (_, core):
        yield world, core


async def in_slack(world: BotHarness, words: str) -> tuple[str, str]:
    """Ask in Slack, press the button, and return the card before and after."""
    delivery = await world.slack.command("alice", "ops", "/vps", words)
    assert delivery.error is None
    card = await world.card(words="waiting for confirmation")
    await world.slack.click("alice", card, "vps:confirm")
    done = await world.card(words=": done")
    assert done.ts == card.ts
    return message_words(card), message_words(done)


EVERY_TOOL = AccessScope((Restriction("--tools", tools=frozenset({"vps_*"})),))


def patient_client(core: Core, human: Human) -> Client:
    """Return a client that waits for the account of its human to be looked up."""
    server = build_server(core, ServerOptions(human=ANN, patience=1.0, reach=EVERY_TOOL))
    return Client(server, mode="2026-07-28", elicitation_callback=human, read_timeout_seconds=PATIENCE_SECONDS)


async def over_mcp(core: Core, tool: str, **arguments: Any) -> tuple[str, str]:
    """Call a tool, say yes, and return the question and the answer."""
    human = Human()
    async with patient_client(core, human) as client:
        assert tool in {item.name for item in (await client.list_tools()).tools}
        answer = await client.call_tool(tool, arguments)
    newest = (await core.changes.list(limit=1, scope=OPERATOR))[0]
    ended = await core.changes.wait(newest.id, seconds=PATIENCE_SECONDS, scope=OPERATOR)
    assert ended.state is State.SUCCEEDED, ended.note
    return human.questions[0], text(answer)


async def copy_of(world: BotHarness, hostname: str) -> tuple[str, str]:
    """Let the provider make a copy of a server, and return both ids."""
    credentials = Credentials.choose(KEY, None)
    async with Wayscloud(ProviderConnection(credentials, base_url=world.provider.url, clock=VirtualClock())) as api:
        server = find_server(hostname, await api.list_servers())
        copy = await api.backups.create_backup(server.id)
        await VirtualClock().sleep(5)
    return server.id, copy.id


async def test_nested(tmp_path: Path) -> None:
    """Of something that a server has: both arguments stay, are shown, and the end is read by a call of its own."""
    async with playing(tmp_path, COPIES) as (world, core):
        first, second = (await copy_of(world, "web01"))[1], (await copy_of(world, "web01"))[1]
        before, after = await in_slack(world, f"discard web01 {first}")
        assert "Copy" in before
        assert first in before
        assert "Discard web01.example.com: done" in after
        question, answer = await over_mcp(core, "vps_copy_drop", server="web01", copy_id=second)
        assert f"Copy: {second}." in question
        assert "Discard of web01.example.com" in answer
        await world.slack.command("alice", "ops", "/vps", f"discard web01 {first}")
        await world.private("alice", f"There is no copy {first}")
        assert world.effects("delete_backup") == 2


async def test_power_like(tmp_path: Path) -> None:
    """An entry and a client call are enough, in Slack and over MCP."""
    async with playing(tmp_path) as (world, core):
        before, after = await in_slack(world, "bounce web01 because it hangs")
        assert "It bounces." in before
        assert "Bounce web01.example.com: done" in after
        question, answer = await over_mcp(core, "vps_bounce", server="web01", reason="it hangs")
        assert "Bounce web01.example.com" in question
        assert "Bounce of web01.example.com" in answer
        assert world.effects("reboot") == 2


async def test_before_and_after(tmp_path: Path) -> None:
    """What replaces a value shows both, keeps free text whole, and refuses what changes nothing."""
    async with playing(tmp_path) as (world, core):
        before, after = await in_slack(world, "retitle web01 Web, main one")
        assert "→ Web, main one" in before
        assert "Retitle web01.example.com: done" in after
        await world.slack.command("alice", "ops", "/vps", "retitle web01 Web, main one")
        await world.private("alice", "nothing to do")
        question, answer = await over_mcp(core, "vps_retitle", server="web01", title="Second")
        assert "Title: Web, main one → Second." in question
        assert "Retitle of web01.example.com" in answer


async def test_a_removal(tmp_path: Path) -> None:
    """Absence is success: from each front end one server is gone, and it was sent once."""
    async with playing(tmp_path) as (world, core):
        before, after = await in_slack(world, "erase web01")
        assert "gone for good" in before
        assert "Erase web01.example.com: done" in after
        question, answer = await over_mcp(core, "vps_erase", server="db01")
        assert "Erase db01.example.com" in question
        assert "Erase of db01.example.com" in answer
        assert world.effects("delete") == 2


async def test_what_is_not_documented_is_switched_off(tmp_path: Path) -> None:
    """One limit refuses all such operations, from both front ends, and leaves the others."""
    async with playing(tmp_path, "[limits]\nundocumented = false\n") as (world, core):
        await world.slack.command("alice", "ops", "/vps", "erase web01")
        await world.private("alice", "does not document what erase calls")
        async with patient_client(core, Human()) as client:
            refused = await client.call_tool("vps_erase", {"server": "web01"})
        assert "does not document" in text(refused)
        await in_slack(world, "bounce web01")
        assert world.effects("delete") == 0


async def test_a_secret(tmp_path: Path) -> None:
    """The asker gets it in private, no channel does, and no model may call for it."""
    async with playing(tmp_path) as (world, core):
        await world.slack.command("alice", "ops", "/vps", "peek web01")
        answer = await world.private("alice", "OPEN-SESAME")
        assert "Only you see this" in message_words(answer)
        assert "Share" not in message_words(answer)
        async with client_of(core, "2026-07-28") as client:
            assert "vps_peek" not in {item.name for item in (await client.list_tools()).tools}
            refused = await client.call_tool("vps_peek", {"server": "web01"})
        assert refused.is_error
        assert "OPEN-SESAME" not in text(refused)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_help_and_usage_name_every_argument(name: str) -> None:
    """The line of usage has all arguments of the entry."""
    from vpsops.bot.protocol.command_catalog import usage, word_for  # noqa: PLC0415
    from vpsops.core.operations.arguments import arguments_of  # noqa: PLC0415

    line = usage(word_for(name))
    assert all(argument.placeholder in line for argument in arguments_of(BY_NAME[name].arguments))


async def test_at_the_terminal(tmp_path: Path) -> None:
    """Each is a subcommand with its arguments, its facts in the question, and its own end."""
    async with playing(tmp_path, COPIES) as (world, _):
        copy = (await copy_of(world, "web01"))[1]
        settings = world.settings.model_copy(update={"actor": ANN})
        screen = FakeTerminal(settings, ("y",), timing=world.scene.timing)
        assert await screen.run("bounce", "web01") == 0
        assert screen.asked == ["Bounce web01.example.com? [y/N] "]
        named = FakeTerminal(settings, timing=world.scene.timing)
        await named.run("discard", "web01", copy, "--dry-run")
        assert f"Copy        {copy}" in named.shown
