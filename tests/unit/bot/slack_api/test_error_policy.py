"""Slack's answers and their handling: each answer met by a real deliverer at a simulated workspace."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
import anyio
import pytest
import sqlalchemy as sa

from tests.fakes.accounts import EVERYBODY
from tests.fakes.clock import START, FakeClock
from tests.harness.internals import database_of
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.repository import ROOT
from tests.harness.virtual_time import VirtualClock
from tests.unit.bot.changes_in_every_state import change
from vpsops.bot.notifications.outbox_worker import OutboxWorker
from vpsops.bot.notifications.token_check import CLOSED_SECONDS, STOPPED_SECONDS
from vpsops.bot.slack_api.client import SlackClient
from vpsops.bot.slack_api.error_policy import ACTION_CODES, ErrorAction, action_for
from vpsops.bot.workspaces.registry import single_workspace
from vpsops.core.app import Core, open_core
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Origin
from vpsops.core.messaging import outbox
from vpsops.core.storage.tables import OUTBOX
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import Rates, WorkspaceConfig

BOUND: Final = PATIENCE_SECONDS
PAGE: Final = ROOT / "docs" / "slack.md"
EVERYONE: Final = WorkspaceConfig(rates=Rates(enforced=False))


@dataclass(slots=True)
class ErrorRoom:
    """A deliverer between a database and a workspace; its clock stands still until a test moves it."""

    core: Core
    slack: SimulatedWorkspace
    clock: FakeClock
    outbox_worker: OutboxWorker

    async def hold(self, **other: Any) -> Change:
        """Store a change that is held, with its card to be posted."""
        made = replace(change(), created_at=START, updated_at=START, expires_at=START + timedelta(hours=1), **other)
        await database_of(self.core).transact(lambda connection: repository.insert(connection, made, key="", body={}))
        return made

    async def step(self, made: Change, after: State) -> Change:
        """Move a change, which requests a redraw of its card."""
        return await database_of(self.core).transact(
            lambda connection: repository.step(connection, made, after, self.clock.now(), event=after.value)
        )

    async def calls(self, method: str, count: int) -> list[str | None]:
        """Wait until a method was called so often, and return what each call was answered: an error or nothing."""
        await self.slack.wait_for(lambda: len(self.slack.calls(method)) >= count, BOUND)
        return [call.error for call in self.slack.calls(method)]

    async def rows(self) -> list[tuple[str, str]]:
        """Return state and error of the outbox's rows."""
        query = sa.select(OUTBOX.c.state, OUTBOX.c.error).order_by(OUTBOX.c.id)
        return [(row[0], row[1]) for row in await database_of(self.core).read(lambda c: c.execute(query).all())]

    async def until_rows(self, expected: list[tuple[str, str]]) -> None:
        """Wait until the outbox holds exactly this."""
        results: list[tuple[str, str]] = []
        with anyio.move_on_after(BOUND):
            while (results := await self.rows()) != expected:
                mark = database_of(self.core).signals.mark()
                await database_of(self.core).signals.wait(0.05, since=mark)
        assert results == expected

    async def until_tried(self, times: int) -> None:
        """Wait until the only message was put back so often."""
        query = sa.select(OUTBOX.c.attempts, OUTBOX.c.owner)
        with anyio.fail_after(BOUND):
            while [tuple(row) for row in await database_of(self.core).read(lambda c: c.execute(query).all())] != [
                (times, None)
            ]:
                mark = database_of(self.core).signals.mark()
                await database_of(self.core).signals.wait(0.05, since=mark)

    async def later(self, seconds: float) -> None:
        """Let time pass, and wake who waits for the outbox."""
        self.clock.advance(seconds)
        database_of(self.core).signals.notify()


@asynccontextmanager
async def room(folder: Path, config: WorkspaceConfig = EVERYONE, **variables: str) -> AsyncIterator[ErrorRoom]:
    """Run a deliverer."""
    clock = FakeClock()
    async with running_workspace(config, clock=VirtualClock(), wall=VirtualClock()) as slack:
        settings = Settings.model_validate(
            {
                "SLACK_API_URL": slack.api_url,
                "SLACK_BOT_TOKEN": config.bot_token,
                "VPSOPS_DATABASE_URL": f"sqlite:///{folder / 'bot.sqlite3'}",
                **variables,
            }
        )
        async with (
            open_core(settings, front="cli", clock=clock, accounts=EVERYBODY) as core,
            aiohttp.ClientSession() as session,
            anyio.create_task_group() as group,
        ):
            deliverer = OutboxWorker(core, single_workspace(core, SlackClient(core.settings, session)))
            group.start_soon(deliverer.run)
            yield ErrorRoom(core, slack, clock, deliverer)
            group.cancel_scope.cancel()


@pytest.mark.parametrize("code", ["ratelimited", "message_limit_exceeded"])
async def test_slacks_wish_to_wait_holds_the_channel(tmp_path: Path, code: str) -> None:
    """After a 429 with Retry-After nothing goes to the channel for so long; then the card is posted, once."""
    async with room(tmp_path) as here:
        if code == "ratelimited":
            here.slack.faults.ratelimit_next("chat.postMessage", retry_after=30)
        else:
            here.slack.faults.fail_next("chat.postMessage", error=code)
        await here.hold()
        assert await here.calls("chat.postMessage", 1) == [code]
        await here.until_rows([("waiting", f"chat.postMessage: {code}")])
        if code == "ratelimited":
            await here.later(29)
            assert await here.calls("chat.postMessage", 1) == [code]
        await here.later(2)
        assert await here.calls("chat.postMessage", 2) == [code, None]
        await here.until_rows([])
        assert len(here.slack.messages("ops")) == 1


@pytest.mark.parametrize(("error", "status"), [("internal_error", 200), ("http_503", 503), ("fatal_error", 500)])
async def test_what_may_pass_is_tried_again(tmp_path: Path, error: str, status: int) -> None:
    """Slack's own failures are tried again, each time a little later."""
    async with room(tmp_path) as here:
        here.slack.faults.fail_next("chat.postMessage", 2, error, status)
        await here.hold()
        await here.until_rows([("waiting", f"chat.postMessage: {error}")])
        await here.later(1)
        await here.until_tried(2)
        await here.later(1)
        await here.until_tried(2)
        await here.later(1)
        await here.until_rows([])
        assert await here.calls("chat.postMessage", 3) == [error, error, None]


@pytest.mark.requirement("slack-messages-survive")
async def test_a_lost_answer_posts_no_second_message(tmp_path: Path) -> None:
    """The post arrived and the connection broke: the next try finds it by its name."""
    async with room(tmp_path) as here:
        here.slack.faults.lose_answer_next("chat.postMessage")
        await here.hold()
        await here.until_rows([("waiting", "chat.postMessage: unreachable (ServerDisconnectedError)")])
        await here.later(1.5)
        await here.until_rows([])
        assert len(here.slack.messages("ops")) == 1


@pytest.mark.parametrize("code", sorted(ACTION_CODES[ErrorAction.STOP]))
async def test_a_refused_token_keeps_everything(tmp_path: Path, code: str) -> None:
    """Nothing is discarded or retried early; it is sent once the token is accepted again, and health reports it."""
    async with room(tmp_path) as here:
        here.slack.faults.fail_next("chat.postMessage", error=code)
        await here.hold()
        await here.until_rows([("waiting", f"chat.postMessage: {code}")])
        assert here.outbox_worker.health.why == code
        await here.later(STOPPED_SECONDS - 1)
        assert await here.calls("chat.postMessage", 1) == [code]
        await here.later(2)
        await here.until_rows([])
        assert here.outbox_worker.health.why == ""


@pytest.mark.parametrize("code", sorted(ACTION_CODES[ErrorAction.FALLBACK_CHANNEL]))
async def test_a_closed_channel_sends_the_card_to_the_asker(tmp_path: Path, code: str) -> None:
    """A card that cannot be posted where it was asked for goes to the asker's direct messages."""
    async with room(tmp_path) as here:
        here.slack.faults.fail_next("chat.postMessage", error=code)
        await here.hold()
        assert await here.calls("chat.postMessage", 2) == [code, None]
        await here.until_rows([])
        assert here.slack.messages("ops") == []


async def test_a_card_with_no_open_place_waits_for_one(tmp_path: Path) -> None:
    """Without a reader it is kept, tried each minute, and posted once the app is admitted."""
    async with room(tmp_path) as here:
        here.slack.faults.fail_next("chat.postMessage", 2, "not_in_channel")
        await here.hold()
        await here.until_rows([("waiting", "chat.postMessage: every_place_closed")])
        await here.later(CLOSED_SECONDS - 1)
        assert len(await here.calls("chat.postMessage", 2)) == 2
        await here.later(2)
        await here.until_rows([])
        assert len(here.slack.messages("ops")) == 1


async def test_a_closed_place_is_not_waited_for_after_the_end(tmp_path: Path) -> None:
    """A change that has ended waits for no one, so its card is not kept for a channel that never opens."""
    async with room(tmp_path) as here:
        here.slack.faults.fail_next("chat.postMessage", 4, "is_archived")
        made = await here.hold()
        await here.until_rows([("waiting", "chat.postMessage: every_place_closed")])
        await here.step(made, State.CANCELLED)
        await here.later(CLOSED_SECONDS + 1)
        await here.until_rows([])


@pytest.mark.parametrize("code", sorted(ACTION_CODES[ErrorAction.REPOST]))
async def test_a_card_that_cannot_be_edited_is_posted_anew(tmp_path: Path, code: str) -> None:
    """A deleted message, or a message too old to be edited, stays as it is, and the end is posted once."""
    async with room(tmp_path) as here:
        made = await here.hold()
        await here.until_rows([])
        here.slack.faults.fail_next("chat.update", error=code)
        await here.step(made, State.CANCELLED)
        await here.later(2)
        await here.until_rows([])
        assert len(here.slack.messages("ops")) == 2
        copies = await here.core.outbox.copies(outbox.topic_of(made.id))
        assert [copy.purpose for copy in copies] == ["told:fixed:card", "told:ended:card"]
        assert len(await here.calls("chat.update", 1)) == 1


@pytest.mark.parametrize(("code", "posted"), [("message_not_found", 2), ("edit_window_closed", 1)])
async def test_while_people_decide_only_a_deleted_card_is_posted_again(tmp_path: Path, code: str, posted: int) -> None:
    """The buttons of one that is there still serve, whatever it cannot show."""
    async with room(tmp_path) as here:
        made = await here.hold()
        await here.until_rows([])
        here.slack.faults.fail_next("chat.update", error=code)
        here.outbox_worker._shared.drawn.clear()
        await database_of(here.core).transact(lambda connection: outbox.put_card(connection, made.id, here.clock.now()))
        await here.later(2)
        await here.until_rows([])
        assert len(here.slack.messages("ops")) == posted
        assert [copy.purpose for copy in await here.core.outbox.copies(outbox.topic_of(made.id))] == ["card"]


@pytest.mark.parametrize("code", sorted(ACTION_CODES[ErrorAction.PLAIN_LAYOUT]))
async def test_a_refused_layout_is_drawn_plainer_and_then_given_up(tmp_path: Path, code: str) -> None:
    """The plainer one is posted at once; where that is refused as well the message is kept as dead, and not tried."""
    async with room(tmp_path) as here:
        here.slack.faults.fail_next("chat.postMessage", error=code)
        made = await here.hold()
        await here.until_rows([])
        assert await here.calls("chat.postMessage", 2) == [code, None]
        here.slack.faults.fail_next("chat.update", 2, code)
        await here.step(made, State.CANCELLED)
        await here.until_rows([("dead", f"chat.update: {code}")])


async def test_edits_rest_when_slack_says_so(tmp_path: Path) -> None:
    """A 429 on an edit holds all edits for as long as Slack asks."""
    async with room(tmp_path) as here:
        made = await here.hold()
        await here.until_rows([])
        here.slack.faults.ratelimit_next("chat.update", retry_after=20)
        await here.step(made, State.CANCELLED)
        await here.until_rows([("waiting", "chat.update: ratelimited")])
        await here.later(19)
        assert await here.calls("chat.update", 1) == ["ratelimited"]
        await here.later(2)
        await here.until_rows([])
        assert await here.calls("chat.update", 2) == ["ratelimited", None]


async def test_updates_that_are_overtaken_merge(tmp_path: Path) -> None:
    """Three steps while Slack is slow to take the card are one edit, to the last state."""
    async with room(tmp_path) as here:
        gate = here.slack.faults.hold_next("chat.postMessage")
        made = await here.hold()
        with anyio.fail_after(BOUND):
            await gate.arrived.wait()
        made = await here.step(made, State.APPROVED)
        made = await here.step(made, State.SENDING)
        await here.step(made, State.WATCHING)
        gate.release()
        await here.until_rows([])
        assert await here.calls("chat.update", 1) == [None]
        (card,) = here.slack.messages("ops")
        assert "waiting" not in card.text.splitlines()[0].lower()


async def test_what_was_not_sent_is_sent_after_a_restart(tmp_path: Path) -> None:
    """The process ends while Slack is away; the next one posts the card, and edits rather than posts again."""
    async with room(tmp_path) as here:
        here.slack.faults.fail_next("chat.postMessage", error="service_unavailable")
        made = await here.hold()
        await here.until_rows([("waiting", "chat.postMessage: service_unavailable")])
    async with room(tmp_path) as here:
        await here.later(60)
        await here.until_rows([])
        assert len(here.slack.messages("ops")) == 1
        await here.step(made, State.CANCELLED)
        await here.until_rows([])
        (card,) = here.slack.messages("ops")
        assert "cancelled" in card.text.lower()


async def test_one_channel_gets_a_message_a_second_and_others_do_not_wait(tmp_path: Path) -> None:
    """Four cards for two channels: one each at once, the others a second later."""
    async with room(tmp_path) as here:
        for number, channel in enumerate(("C0OPS", "C0OPS", "C0GENERAL", "C0GENERAL")):
            target = replace(change().target, id=f"srv-{number}")
            await here.hold(id=f"chg_{number}", target=target, origin=Origin("slack", "T0ACME", channel))
        assert len(await here.calls("chat.postMessage", 2)) == 2
        await anyio.wait_all_tasks_blocked()
        assert [len(here.slack.messages(item)) for item in ("ops", "general")] == [1, 1]
        await here.later(1)
        await here.until_rows([])
        assert [len(here.slack.messages(item)) for item in ("ops", "general")] == [2, 2]


def test_the_page_has_the_table() -> None:
    """docs/slack.md and the code agree on every answer."""
    assert table() == {code: name.value for name, codes in ACTION_CODES.items() for code in codes}
    assert action_for("something_new") is ErrorAction.RETRY


def table() -> Mapping[str, str]:
    """Return what the page documents for each answer to a message."""
    text = PAGE.read_text(encoding="utf-8").partition("<!-- remedies -->")[2].partition("<!-- /remedies -->")[0]
    results: dict[str, str] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0].startswith("`"):
            results |= dict.fromkeys(re.findall(r"`(\w+)`", cells[0]), cells[1])
    return results
