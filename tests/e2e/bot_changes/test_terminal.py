"""Requests from a terminal that people decide in Slack: approved, denied, expired, interrupted, followed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.fakes.slack_bot import BotHarness, Scene, message_words, stage
from tests.fakes.timing import QUICK
from tests.harness.patience import eventually
from tests.unit.cli.operations.terminal import FakeTerminal
from vpsops.core.app import Core
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.identity.actors import ActorKind
from vpsops.playground.slack.workspace.config import WorkspaceConfig

SCENE = Scene(
    workspace=WorkspaceConfig().with_scopes("channels:read", "groups:read", "users:read.email"),
    settings={"VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS"},
)
ASK = ("ask", "reboot", "web01", "--because", "it hangs")
Make = Callable[..., FakeTerminal]


@asynccontextmanager
async def set_up(folder: Path, scene: Scene = SCENE) -> AsyncIterator[tuple[BotHarness, Core, Make]]:
    """Run a bot, and return it with a maker of terminals whose accounts that bot looks up."""
    async with stage(folder, scene) as world, world.bot() as (_, core):

        def make(*typed: str, human: str = "alice@acme.example", person: bool = False) -> FakeTerminal:
            settings = world.settings.model_copy(update={"actor": human})
            return FakeTerminal(settings, typed, person=person, accounts=None, timing=scene.timing)

        yield world, core, make


@pytest.mark.requirement("terminal-held")
async def test_a_held_reboot_is_approved_in_slack_and_followed(tmp_path: Path) -> None:
    """`vpsops ask … --wait` says who may decide, waits, and ends with the change; the card names its human."""
    async with set_up(tmp_path) as (world, core, make), anyio.create_task_group() as group:
        screen, codes = make(), list[int]()

        async def command() -> None:
            codes.append(await screen.run(*ASK, "--wait", "30m"))

        group.start_soon(command)
        card = await world.card("approvals", words="waiting for approval")
        assert "it hangs" in message_words(card)
        await world.slack.click("alice", card, "vps:approve")
        await world.slack.wait_for(lambda: world.slack.ephemerals("alice"))
        assert world.effects("reboot") == 0
        await world.slack.click("bob", card, "vps:approve")
        await eventually(lambda: bool(codes))
        assert codes == [0]
        assert "1 person in Slack among the members of a Slack channel (C0APPROVALS), not its asker" in screen.shown
        assert screen.result.startswith("Reboot web01.example.com: done.")
        assert world.effects("reboot") == 1
        change = (await core.changes.list(scope=OPERATOR))[0]
        assert (change.actor.kind, change.actor.account) == (ActorKind.AGENT, "U0ALICE")


async def test_without_a_wait_it_stays_held(tmp_path: Path) -> None:
    """A script continues at once, with the id and how to follow it; a wait that runs out ends in the same way."""
    async with set_up(tmp_path) as (_, core, make):
        screen = make()
        assert await screen.run(*ASK, "--json") == 5
        ident = screen.document["change"]["id"]
        assert screen.document["outcome"] == "held"
        assert "C0APPROVALS" in screen.document["change"]["decided_by"]
        follower = make()
        assert await follower.run("follow", ident, "--wait", "2s") == 5
        assert f"vpsops follow {ident}" in follower.shown
        assert await make().run("cancel", ident, "--because", "not now") == 0
        assert (await core.changes.get(ident, scope=OPERATOR)).state is State.CANCELLED


async def test_a_denial_has_its_reason_and_exit_code(tmp_path: Path) -> None:
    """The terminal shows who denied it and why."""
    async with set_up(tmp_path) as (world, _, make):
        screen = make()
        assert await screen.run(*ASK) == 5
        card = await world.card("approvals", words="waiting for approval")
        await world.slack.click("bob", card, "vps:deny")
        view = await world.slack.wait_for(lambda: world.slack.modal("bob"))
        assert view is not None
        await world.slack.submit_view("bob", view, {"reason": "not during the sale"})
        ident = screen.result.split()[0]
        assert await screen.run("follow", ident, "--wait") == 6
        assert "not during the sale" in screen.shown
        assert world.effects("reboot") == 0


async def test_no_answer_in_time_is_a_refusal(tmp_path: Path) -> None:
    """What expires was not done, and says so."""
    scene = replace(SCENE, timing=replace(QUICK, approve_seconds=3.0))
    async with set_up(tmp_path, scene) as (world, _, make):
        screen = make()
        assert await screen.run(*ASK, "--wait") == 6
        assert "expired" in screen.shown
        assert world.effects("reboot") == 0


@pytest.mark.requirement("terminal-interrupted")
async def test_an_interruption_leaves_the_change_as_it_is(tmp_path: Path) -> None:
    """Ctrl-C ends the command with the change's id; it can be approved, and followed from another terminal."""
    async with set_up(tmp_path) as (world, core, make), anyio.create_task_group() as group:
        screen, codes = make(), list[int]()

        async def command() -> None:
            codes.append(await screen.run(*ASK, "--wait"))

        group.start_soon(command)
        card = await world.card("approvals", words="waiting for approval")
        screen.stop.set()
        await eventually(lambda: bool(codes))
        change = (await core.changes.list(scope=OPERATOR))[0]
        assert codes == [130]
        assert f"Follow it with: vpsops follow {change.id}" in screen.shown
        assert change.state is State.HELD
        await world.slack.click("bob", card, "vps:approve")
        assert await make().run("follow", change.id, "--wait") == 0
        assert world.effects("reboot") == 1


@pytest.mark.requirement("terminal-identity")
@pytest.mark.parametrize("human", ["", "ghost@acme.example", "slack:U0GHOST"])
@pytest.mark.parametrize("person", [True, False])
async def test_who_is_no_account_may_only_read(tmp_path: Path, human: str, person: bool) -> None:
    """Where people decide in Slack, a local user and a name that Slack does not know change nothing."""
    async with set_up(tmp_path) as (_, core, make):
        screen = make("y", human=human, person=person)
        assert await screen.run("stop", "web01", *(("--yes",) if person else ())) == 6
        assert "Nothing was done." in screen.shown
        assert screen.asked == []
        assert await core.changes.list(scope=OPERATOR) == []
        assert await make(human=human, person=person).run("list") == 0


async def test_a_person_confirms_at_the_terminal_where_the_policy_says_so(tmp_path: Path) -> None:
    """A known person's own reboot is confirmed where it was asked; Slack is not asked, and only that human may."""
    async with set_up(tmp_path) as (world, core, make):
        assert await make("y", person=True).run("reboot", "web01") == 0
        change = (await core.changes.list(scope=OPERATOR))[0]
        assert (change.actor.kind, change.actor.account) == (ActorKind.PERSON, "U0ALICE")
        assert world.effects("reboot") == 1


async def test_what_needs_approval_is_never_confirmed_at_the_terminal(tmp_path: Path) -> None:
    """A deletion by a person waits for others in Slack, with the name typed; `--confirm` approves nothing."""
    async with set_up(tmp_path) as (world, core, make):
        screen = make(person=True)
        assert await screen.run("delete", "web01", "--confirm", "web01.example.com", "--wait", "1s") == 5
        assert world.effects("delete") == 0
        change = (await core.changes.list(scope=OPERATOR))[0]
        assert change.state is State.HELD
        with pytest.raises(NotAllowedError):
            await core.gate.confirm(change.id, change.actor, change.digest, scope=OPERATOR)
