"""The life of a backup in all front ends: made, fetched, restored to the end, deleted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from tests.fakes.slack_bot import BotHarness, Scene, message_words, stage
from tests.fakes.timing import QUICK
from tests.harness.patience import PATIENCE_SECONDS, eventually
from tests.unit.cli.operations.terminal import FakeTerminal
from tests.unit.mcp_server.harness import client_of, text
from vpsops.core.app import Core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.mcp_server.server import ServerOptions
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Message
from vpsops.playground.wayscloud.account.account import Item
from vpsops.playground.wayscloud.account.resources import BACKUPS
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.hardware.model import ServerState

ALICE: Final = "alice@acme.example"
WEB: Final = "web01.example.com"
BACKUP: Final = "b41e08d0-b42e-4cf5-a54f-a449f3eef3e2"
RULES: Final = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "changes"
risk = ["change", "disruptive"]
decision = "confirm"

[[rule]]
id = "destroying"
risk = "destructive"
decision = "approve"
approvers = { channels = ["C0APPROVALS"] }

[limits.mcp]
toolsets = ["servers", "changes", "backups"]
secrets = true
"""


@asynccontextmanager
async def playing(folder: Path, *, restores: bool = True) -> AsyncIterator[tuple[BotHarness, Core]]:
    """Run a bot at a provider that has a backup of a stopped server, and restores it where `restores` says so."""
    (folder / "vpsops.toml").write_text(RULES)
    settings = {"VPSOPS_CONFIG": str(folder / "vpsops.toml"), "VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS"}
    scene = Scene(
        workspace=WorkspaceConfig().with_scopes("channels:read", "groups:read", "users:read.email"),
        provider=SimulatorConfig(speed=600, restores=restores),
        timing=replace(QUICK, long_limit=2.0),
        settings=settings,
    )
    async with stage(folder, scene) as world, world.bot() as (_, core):
        world.put_state(WEB, ServerState.STOPPED)
        items(world)[BACKUP] = Item(BACKUP, {}, 0.0, world.provider.simulator.world.time.now())
        yield world, core


def items(world: BotHarness) -> dict[str, Item]:
    """Return the backups that the provider has of the server."""
    server = world.provider.simulator.world.find(WEB)
    assert server is not None
    return world.provider.simulator.world.items_of(server.id, BACKUPS.key)


def terminal(world: BotHarness, *typed: str, person: bool = True) -> FakeTerminal:
    """Return Alice's terminal, whose accounts the bot looks up."""
    settings = world.settings.model_copy(update={"actor": ALICE})
    return FakeTerminal(settings, typed, person=person, accounts=None, timing=world.scene.timing)


async def approved(world: BotHarness, words: str) -> Message:
    """Let Bob approve what waits in the approval channel, by the full name; return its card."""
    card = await world.card("approvals", words=words)
    await world.slack.click("bob", card, "vps:approve")
    await world.slack.wait_for(lambda: (view := world.slack.modal("bob")) and view.callback_id == "vps:name")
    view = world.slack.modal("bob")
    assert view is not None
    await world.slack.submit_view("bob", view, {"name": f"{WEB} {BACKUP}"})
    return card


async def newest(core: Core) -> Change:
    """Return the newest change at its end."""
    change = (await core.changes.list(limit=1, scope=OPERATOR))[0]
    return await core.changes.wait(change.id, seconds=PATIENCE_SECONDS, scope=OPERATOR)


def assert_restored(world: BotHarness, change: Change) -> None:
    """Check that a restore was carried out once and is called what is known of it."""
    assert world.effects("restore_backup") == 1
    assert (change.operation, change.state, change.unseen) == ("backup_restore", State.SUCCEEDED, True)
    assert change.note == "Nothing in this API shows what a server's disk was restored from."


@pytest.mark.requirement("backup-lives")
async def test_slack_restores_fetches_and_deletes(tmp_path: Path) -> None:
    """The restore says when the server can be started again, and it can be then."""
    async with playing(tmp_path) as (world, core):
        await world.slack.command("alice", "ops", "/vps", f"backup-download web01 {BACKUP[:8]}")
        address = await world.private("alice", f"https://storage.example.com/{BACKUP}")
        assert "Share" not in message_words(address)
        await world.slack.command("alice", "ops", "/vps", f"backup-restore web01 {BACKUP[:8]} because of a bad disk")
        card = await approved(world, "Restore a backup")
        assert "It can be started 1 h later" in message_words(card)
        await world.card("ops", words=f"Restore a backup of {WEB}: accepted, not verified")
        assert_restored(world, await newest(core))
        await world.slack.command("alice", "ops", "/vps", "start web01")
        start = await world.card("ops", words=f"Start {WEB}: waiting for confirmation")
        await world.slack.click("alice", start, "vps:confirm")
        await world.card("ops", words=f"Start {WEB}: done")
        await world.slack.command("alice", "ops", "/vps", f"backup-delete web01 {BACKUP}")
        await approved(world, "Delete a backup")
        await world.card("ops", words=f"Delete a backup of {WEB}: done")
        assert items(world) == {}


@pytest.mark.requirement("backup-lives")
async def test_a_terminal_restores_fetches_and_deletes(tmp_path: Path) -> None:
    """What cannot be undone is typed first and approved in Slack; the terminal follows it to its end."""
    async with playing(tmp_path) as (world, core):
        screen = terminal(world)
        assert await screen.run("backup-download", "web01", BACKUP[:8]) == 0
        assert f"https://storage.example.com/{BACKUP}" in screen.result
        restored = await followed(world, "backup-restore", "Restore a backup")
        assert f"Restore a backup of {WEB}: accepted, not verified" in restored.result
        assert_restored(world, await newest(core))
        deleted = await followed(world, "backup-delete", "Delete a backup")
        assert f"Delete a backup of {WEB}: done" in deleted.result
        assert items(world) == {}


async def followed(world: BotHarness, command: str, words: str) -> FakeTerminal:
    """Ask at a terminal, type the name, let Bob approve, and return the terminal after the end."""
    screen, codes = terminal(world, f"{WEB} {BACKUP}"), list[int]()

    async def ask() -> None:
        codes.append(await screen.run(command, "web01", BACKUP, "--because", "a bad disk"))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await approved(world, words)
        await eventually(lambda: bool(codes))
    assert codes == [0]
    return screen


@pytest.mark.requirement("backup-lives")
async def test_an_assistant_restores_fetches_and_deletes(tmp_path: Path) -> None:
    """Its restore and its delete wait for people in Slack; the address is given where limits allow secrets."""
    async with playing(tmp_path) as (world, core):
        address = await called(core, "vps_backup_download")
        assert f"https://storage.example.com/{BACKUP}" in address
        held = await called(core, "vps_backup_restore", reason="a bad disk")
        assert "waits for approval" in held
        await approved(world, "Restore a backup")
        assert_restored(world, await newest(core))
        assert "waits for approval" in await called(core, "vps_backup_delete")
        await approved(world, "Delete a backup")
        assert (await newest(core)).state is State.SUCCEEDED
        assert items(world) == {}


async def called(core: Core, tool: str, **arguments: Any) -> str:
    """Call a tool about the backup and return its words."""
    async with client_of(core, "2026-07-28", options=ServerOptions(human=ALICE)) as client:
        return text(await client.call_tool(tool, {"server": "web01", "backup": BACKUP, **arguments}))


async def test_a_provider_without_a_restore_says_so_once(tmp_path: Path) -> None:
    """The answer 501 fails the change in the provider's words; after that it is not asked for again."""
    async with playing(tmp_path, restores=False) as (world, core):
        await world.slack.command("alice", "ops", "/vps", f"backup-restore web01 {BACKUP}")
        await approved(world, "Restore a backup")
        change = await newest(core)
        assert (change.state, world.effects("restore_backup")) == (State.FAILED, 0)
        assert "not implemented" in change.note
        await world.slack.command("alice", "ops", "/vps", f"backup-restore web01 {BACKUP}")
        await world.private("alice", "The API does not offer to restore the backup in Oslo, Norway")
