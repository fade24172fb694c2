"""What an agent asks for is confirmed by its own human in Slack: an MCP client here, signed clicks there, one database.

The bot and the assistant's server are two cores on the same database, as two processes are.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

import anyio
import mcp.types as t
import pytest
from mcp import Client
from mcp.client.context import ClientRequestContext

from tests.e2e.bot_changes.test_bot_deliveries import Later
from tests.fakes.slack.notifications import notifications
from tests.fakes.slack_bot import BotHarness, Scene, buttons, message_words, stage
from tests.fakes.timing import QUICK
from tests.harness.internals import database_of
from tests.harness.patience import PATIENCE_SECONDS, eventually
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.harness import text
from vpsops.core.app import Core, open_core
from vpsops.core.audit import chain
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.mcp_server.server import ServerOptions, build_server
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Message
from vpsops.playground.slack.workspace.state import MessageDraft

RULES: Final = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "agents"
actor = "agent"
risk = ["change", "disruptive"]
decision = "confirm"
"""
BOTH: Final = 'confirm_in = ["client", "slack"]\n'
REBOOT: Final = {"server": "web01", "reason": "disk swap"}
LEGACY: Final = "legacy"


@dataclass
class Dialog:
    """A client's dialog, which its human answers once the test says so."""

    opened: anyio.Event
    answered: anyio.Event
    yes: bool = True
    closed: bool = False
    action: Literal["accept", "decline", "cancel"] = "accept"

    async def __call__(self, context: ClientRequestContext, params: t.ElicitRequestParams) -> t.ElicitResult:
        """Open the dialog and wait for its human."""
        del context, params
        self.opened.set()
        try:
            await self.answered.wait()
        except anyio.get_cancelled_exc_class():
            self.closed = True
            raise
        return t.ElicitResult(action=self.action, content={"confirm": self.yes} if self.action == "accept" else None)


@dataclass
class SlackConfirmation:
    """A workspace, and an assistant of Alice's with its own core on the same database."""

    world: BotHarness
    core: Core
    client: Client

    async def dm(self, words: str = "waiting for confirmation") -> Message:
        """Wait for the newest direct message to Alice that holds some words."""

        def find() -> Message | None:
            messages = self.world.slack.direct_messages("alice")
            return next((message for message in reversed(messages) if words in message_words(message)), None)

        message = await self.world.slack.wait_for(find)
        assert message is not None
        return message

    async def change(self) -> Change:
        """Return the one change there is."""
        (change,) = await self.core.changes.list(scope=OPERATOR)
        return change

    async def events(self) -> list[str]:
        """Return the audited events of the change."""
        records = await database_of(self.core).read(chain.read)
        return [record.event for record in records if record.change_id]

    async def has_event(self, event: str) -> bool:
        """Return whether an event of the change is audited."""
        return event in await self.events()

    async def is_over(self) -> bool:
        """Return whether the change was withdrawn."""
        return (await self.change()).state is State.CANCELLED


def scene_of(config: Path, **settings: str) -> Scene:
    """Return a workspace whose bot knows people by their addresses."""
    return Scene(
        workspace=WorkspaceConfig().with_scopes("channels:read", "groups:read", "users:read.email"),
        settings={"VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS", "VPSOPS_CONFIG": str(config), **settings},
    )


def client_of(
    core: Core, dialog: Dialog | None = None, *, human: str = "slack:U0ALICE", patience: float = 45.0
) -> Client:
    """Return a client of an assistant that acts for a human."""
    return Client(
        build_server(core, ServerOptions(human=human, patience=patience)),
        mode=LEGACY,
        client_info=t.Implementation(name="helper", version="1"),
        elicitation_callback=dialog,
        read_timeout_seconds=PATIENCE_SECONDS,
    )


@asynccontextmanager
async def assistant(
    directory: Path,
    more: str = "",
    dialog: Dialog | None = None,
    *,
    human: str = "slack:U0ALICE",
    patience: float = 45.0,
) -> AsyncIterator[SlackConfirmation]:
    """Run a bot, and an assistant that acts for a human."""
    config = directory / "vpsops.toml"
    config.write_text(RULES + more, encoding="utf-8")
    async with (
        stage(directory, scene_of(config)) as world,
        world.bot(),
        open_core(world.settings, front="mcp", clock=VirtualClock(), timing=QUICK) as core,
        client_of(core, dialog, human=human, patience=patience) as client,
    ):
        yield SlackConfirmation(world, core, client)


@pytest.mark.requirement("agents-human-asked-in-slack")
async def test_a_host_without_a_dialog_is_confirmed_in_slack(tmp_path: Path) -> None:
    """The call waits for Alice's click on the card in her direct messages, which notify, and answers with the end."""
    async with assistant(tmp_path) as case, anyio.create_task_group() as group:
        results: list[t.CallToolResult] = []

        async def call() -> None:
            results.append(await case.client.call_tool("vps_reboot", REBOOT))

        group.start_soon(call)
        card = await case.dm()
        assert buttons(card) == ["vps:confirm", "vps:cancel"]
        assert "An agent asks for this. Nothing happens until the person it acts for" in message_words(card)
        assert card.ts in {message.ts for message in notifications(case.world.slack, "alice")}
        assert case.world.effects("reboot") == 0
        await case.world.slack.click("alice", card, "vps:confirm")
        done = message_words(await case.dm("Reboot web01.example.com: done"))
        assert "It was confirmed in Slack by the person the agent acts for." in done
    assert "succeeded" in text(results[0])
    assert case.world.effects("reboot") == 1


async def test_cancel_ends_the_call(tmp_path: Path) -> None:
    """And nothing is done."""
    async with assistant(tmp_path) as case, anyio.create_task_group() as group:
        results: list[t.CallToolResult] = []

        async def call() -> None:
            results.append(await case.client.call_tool("vps_reboot", REBOOT))

        group.start_soon(call)
        await case.world.slack.click("alice", await case.dm(), "vps:cancel")
    assert results[0].is_error
    assert "was cancelled; nothing was done" in text(results[0])
    assert case.world.effects("reboot") == 0


async def test_a_call_whose_time_is_over_says_that_it_waits_and_how_to_ask_again(tmp_path: Path) -> None:
    """The same call again is the same change, and waits on."""
    async with assistant(tmp_path, patience=0.5) as case:
        first = await case.client.call_tool("vps_reboot", REBOOT)
        second = await case.client.call_tool("vps_reboot", REBOOT)
        for result in (first, second):
            assert not result.is_error
            assert "asked in Slack's direct messages: Confirm or Cancel, until" in text(result)
            assert "vps_change_wait" in text(result)
        assert (await case.change()).state is State.HELD
        assert len(case.world.slack.direct_messages("alice")) == 1


async def test_only_that_person_counts(tmp_path: Path) -> None:
    """Neither a copied button nor the client's own word confirms what is asked in Slack alone."""
    dialog = Dialog(anyio.Event(), anyio.Event())
    async with assistant(tmp_path, dialog=dialog, patience=0.5) as case:
        await case.client.call_tool("vps_reboot", REBOOT)
        assert not dialog.opened.is_set()
        card = await case.dm()
        draft = MessageDraft("C0OPS", case.world.slack.config.bot_user_id, card.text, card.blocks)
        forged = case.world.slack.desk.state.post(draft, case.core.clock.now())
        await case.world.slack.click_stale("bob", forged, "vps:confirm")
        await case.world.private("bob", "can confirm this change")
        assert (await case.change()).state is State.HELD
        assert case.world.effects("reboot") == 0


@pytest.mark.parametrize("where", ["slack", "client"])
async def test_where_both_ask_the_first_answer_counts_and_the_other_closes(tmp_path: Path, where: str) -> None:
    """One reboot, confirmed once; the card has no button any more, or the dialog is withdrawn."""
    dialog = Dialog(anyio.Event(), anyio.Event())
    async with assistant(tmp_path, BOTH, dialog) as case, anyio.create_task_group() as group:
        results: list[t.CallToolResult] = []

        async def call() -> None:
            results.append(await case.client.call_tool("vps_reboot", REBOOT))

        group.start_soon(call)
        card = await case.dm()
        with anyio.fail_after(PATIENCE_SECONDS):
            await dialog.opened.wait()
        if where == "slack":
            await case.world.slack.click("alice", card, "vps:confirm")
        else:
            dialog.answered.set()
        done = await case.dm("Reboot web01.example.com: done")
        assert buttons(done) == []
        events = await case.events()
        assert events.count("confirmed") == 1
    assert dialog.closed is (where == "slack")
    assert "succeeded" in text(results[0])
    assert case.world.effects("reboot") == 1


@pytest.mark.requirement("never-held-unseen")
@pytest.mark.parametrize(
    "code", ["messages_tab_disabled", "user_disabled", "restricted_action", "cannot_dm_bot", "no_permission"]
)
async def test_closed_direct_messages_refuse_at_once(tmp_path: Path, code: str) -> None:
    """It is not held where no one can see it, and the call says why."""
    async with assistant(tmp_path) as case:
        case.world.slack.faults.fail_next("chat.postMessage", error=code)
        result = await case.client.call_tool("vps_reboot", REBOOT)
        assert result.is_error
        assert "Slack takes no direct message to the human behind this agent" in text(result)
        assert (await case.change()).state is State.CANCELLED
        assert "unreachable" in await case.events()
        assert case.world.effects("reboot") == 0


async def test_where_the_client_asks_too_closed_direct_messages_hold_nothing_up(tmp_path: Path) -> None:
    """The dialog is there."""
    dialog = Dialog(anyio.Event(), anyio.Event())
    dialog.answered.set()
    async with assistant(tmp_path, BOTH, dialog) as case:
        case.world.slack.faults.fail_next("chat.postMessage", error="messages_tab_disabled")
        result = await case.client.call_tool("vps_reboot", REBOOT)
        assert "succeeded" in text(result)


@pytest.mark.requirement("never-held-unseen")
@pytest.mark.parametrize("leaves", ["cancels the call", "dismisses the dialog"])
@pytest.mark.parametrize("first", ["slack", "client"])
async def test_a_client_that_leaves_where_slack_is_closed_takes_the_change_along(
    tmp_path: Path, first: str, leaves: str
) -> None:
    """In either order: at once, and not after the fifteen minutes of the hold."""
    dialog = Dialog(anyio.Event(), anyio.Event(), action="cancel")
    async with assistant(tmp_path, BOTH, dialog, patience=1.0) as case:
        gate = case.world.slack.faults.hold_next("chat.postMessage", error="messages_tab_disabled")
        async with anyio.create_task_group() as group:
            group.start_soon(case.client.call_tool, "vps_reboot", REBOOT)
            with anyio.fail_after(PATIENCE_SECONDS):
                await dialog.opened.wait()
            if first == "slack":
                gate.release()
                await eventually(partial(case.has_event, "unreachable"))
            if leaves == "cancels the call":
                group.cancel_scope.cancel()
            dialog.answered.set()
        if first == "client":
            await eventually(partial(case.has_event, "dialog_closed"))
            gate.release()
        await eventually(case.is_over)
        last = {"slack": ["unreachable", "cancelled"], "client": ["dialog_closed", "unreachable"]}[first]
        assert (await case.events())[-2:] == last
        assert case.world.effects("reboot") == 0


@pytest.mark.parametrize("human", ["local:alice", "slack:U0NOONE", "slack:U0ERIN"])
async def test_a_human_whom_slack_does_not_know_is_refused(tmp_path: Path, human: str) -> None:
    """Nothing is held."""
    async with assistant(tmp_path, human=human) as case:
        result = await case.client.call_tool("vps_reboot", REBOOT)
        assert result.is_error
        assert "Nothing was done" in text(result)
        assert await case.core.changes.list(scope=OPERATOR) == []


async def test_a_rule_with_places_leaves_people_alone(tmp_path: Path) -> None:
    """It is about agents: a person confirms on the card where they asked, and it runs."""
    rule = '[[rule]]\nid = "people"\nactor = "person"\nrisk = "disruptive"\ndecision = "confirm"\n'
    rule += 'confirm_in = ["client"]\n'
    async with assistant(tmp_path, rule) as case:
        await case.world.slack.command("alice", "ops", "/vps", "reboot web01")
        await case.world.slack.click("alice", await case.world.card(words="waiting for confirmation"), "vps:confirm")
        await case.world.card(words="Reboot web01.example.com: done")
        assert case.world.effects("reboot") == 1


async def ask_and_end(world: BotHarness, client: Client, *, before: bool) -> None:
    """Run a bot, ask for a reboot, and end the bot before the card leaves or after it was posted and not noted."""
    slack = world.slack
    gate = slack.faults.hold_next("chat.postMessage")
    if not before:
        gate.release()
        slack.faults.lose_answer_next("chat.postMessage")
    with anyio.CancelScope() as life:
        async with world.bot():
            assert "asked in Slack's direct messages" in text(await client.call_tool("vps_reboot", REBOOT))
            with anyio.fail_after(PATIENCE_SECONDS):
                await gate.arrived.wait()
            if not before:
                await slack.wait_for(lambda: slack.direct_messages("alice"))
            life.cancel()


@pytest.mark.requirement("agents-human-asked-in-slack")
@pytest.mark.parametrize("moment", ["before the message", "after the message"])
async def test_a_bot_that_ends_at_the_card_neither_loses_nor_repeats_it(
    tmp_path: Path, database_url: str, moment: str
) -> None:
    """The card is stored with the change: the next bot posts it, or finds the one that was posted and not noted."""
    config = tmp_path / "vpsops.toml"
    config.write_text(RULES, encoding="utf-8")
    scene = scene_of(config, VPSOPS_DATABASE_URL=database_url)
    async with (
        stage(tmp_path, scene) as world,
        open_core(world.settings, front="mcp", clock=VirtualClock(), timing=QUICK) as core,
        client_of(core, patience=0.5) as client,
    ):
        slack, before = world.slack, moment == "before the message"
        await ask_and_end(world, client, before=before)
        assert len(slack.direct_messages("alice")) == (0 if before else 1)
        async with world.bot(Later()):
            case = SlackConfirmation(world, core, client)
            card = await case.dm()
            await anyio.sleep(60)
            assert len(slack.direct_messages("alice")) == 1
            assert await case.events() == ["requested"]
            await slack.click("alice", card, "vps:confirm")
            await case.dm("Reboot web01.example.com: done")
            assert (await case.events()).count("confirmed") == 1
        assert world.effects("reboot") == 1
