"""Forms and buttons in other hands, several times at once, and on copies elsewhere."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.adversary.forms.forgery import chosen, opened, press, send, shown
from tests.e2e.bot_messages import test_bot_grants as grants
from tests.e2e.break_glass import test_bot_overrides as overrides
from tests.fakes.slack_bot import playing
from vpsops.core.audit.queries import RecordFilter
from vpsops.core.changes.model import REVIEWED, State
from vpsops.core.changes.scope import OPERATOR

GRANT = {"grant_time": chosen("3600"), "grant_servers": chosen("server")}
OTHER_NOTE = "another note entirely"


@pytest.mark.parametrize("action", ["vps:deny", "vps:approve_note", "vps:approve_grant"])
@pytest.mark.parametrize("user", ["alice", "dave"])
async def test_a_vote_by_form_is_of_who_sent_it(tmp_path: Path, action: str, user: str) -> None:
    """The person behind the agent, and who may not vote, send the form that another opened: it decides nothing."""
    async with grants.held(tmp_path) as (world, core, card, change):
        world.slack.kick("approvals", "dave")
        view = await opened(world, "bob", card, action)
        await send(world, user, view, {"reason": "x", **GRANT})
        await world.slack.wait_for(lambda: "err_" in shown(world, "bob") + shown(world, user))
        now = await core.changes.get(change.id, scope=OPERATOR)
        assert (now.state, now.votes) == (State.HELD, ())


@pytest.mark.parametrize("user", ["bob", "dave"])
async def test_an_override_is_of_who_sent_it(tmp_path: Path, user: str) -> None:
    """Its asker opened the form; no one else runs the change with it."""
    async with overrides.asked(tmp_path) as (world, core, card):
        view = await opened(world, "alice", card, "vps:override")
        await send(world, user, view, {"reason": overrides.REASON, "name": "web01.example.com"})
        await world.slack.wait_for(lambda: "err_" in shown(world, "alice") + shown(world, user))
        assert (await overrides.the_change(core)).state is State.HELD


@pytest.mark.parametrize("user", ["alice", "dave"])
async def test_a_review_is_of_who_sent_it(tmp_path: Path, user: str) -> None:
    """An approver opened the form; who ran the change, and who may not approve it, closes nothing by it."""
    async with overrides.asked(tmp_path) as (world, core, card):
        await overrides.run_by_form(world, card)
        call = await world.card("approvals", words="un without approval: ")
        view = await opened(world, "bob", call, "vps:review")
        await send(world, user, view, {"reason": overrides.NOTE})
        await world.slack.wait_for(lambda: "err_" in shown(world, "bob") + shown(world, user))
        assert len(await core.changes.open_reviews(scope=OPERATOR)) == 1


@pytest.mark.parametrize("hashes", [1, 2])
async def test_a_form_sent_several_times_counts_once(tmp_path: Path, hashes: int) -> None:
    """In parallel, with the same view hash and with another: one vote, one grant, one reboot."""
    async with grants.held(tmp_path) as (world, core, card, change):
        view = await opened(world, "bob", card, "vps:approve_grant")
        for number in range(hashes):
            await send(world, "bob", replace(view, hash=f"{number}.abc"), GRANT, times=4)
        await world.card("approvals", words="Reboot web01.example.com: done")
        now = await core.changes.get(change.id, scope=OPERATOR)
        assert len(now.votes) == 1
        assert len(await core.grants.list_open(scope=OPERATOR)) == 1
        assert world.effects("reboot") == 1


async def test_an_override_sent_several_times_runs_once(tmp_path: Path) -> None:
    """One run and one review."""
    async with overrides.asked(tmp_path) as (world, core, card):
        view = await opened(world, "alice", card, "vps:override")
        for number in range(3):
            values = {"reason": overrides.REASON, "name": "web01.example.com"}
            await send(world, "alice", replace(view, hash=f"{number}.abc"), values, times=3)
        await world.card("ops", words="Reboot web01.example.com: done")
        assert len(await core.changes.open_reviews(scope=OPERATOR)) == 1
        assert world.effects("reboot") == 1


@pytest.mark.parametrize("waits", [True, False], ids=["one after the other", "together"])
async def test_a_review_is_closed_once(tmp_path: Path, waits: bool) -> None:
    """By one of two reviewers, and by the first where the other comes after; the note stays."""
    async with overrides.asked(tmp_path) as (world, core, card):
        await overrides.run_by_form(world, card)
        call = await world.card("approvals", words="un without approval: ")
        view = await opened(world, "bob", call, "vps:review")
        other = await opened(world, "carol", call, "vps:review")
        await send(world, "bob", view, {"reason": overrides.NOTE}, times=3)
        if waits:
            await world.card("ops", words="Reviewed by")
        await send(world, "carol", other, {"reason": OTHER_NOTE}, times=3)
        await world.slack.wait_for(lambda: "err_" in shown(world, "carol") or "err_" in shown(world, "bob"))
        await world.card("ops", words="Reviewed by")
        change = await overrides.the_change(core)
        page = await core.trail.page(RecordFilter(change=change.id), before=None, limit=100)
        (closed,) = [record.body for record in page.records if record.event == REVIEWED]
        assert change.override is not None
        assert change.override.note == closed["note"]
        assert change.override.note in ({overrides.NOTE} if waits else {overrides.NOTE, OTHER_NOTE})


async def test_a_plan_is_stopped_once_by_many_clicks(tmp_path: Path) -> None:
    """Later clicks alter nothing."""
    async with playing(tmp_path) as world:
        await world.slack.command("alice", "ops", "/vps", "reboot web01 db01 pause=30m")
        await world.slack.click("alice", await world.card(words="waiting for confirmation"), "vps:confirm")
        running = await world.card(words="1 of 2 done")
        for _ in range(3):
            await press(world, "alice", running, "vps:stop_plan")
        await world.card(words="1 not started")
        assert world.effects("reboot") == 1


@pytest.mark.parametrize("where", ["C0GENERAL", "C0NOWHERE", "D0BOB"])
async def test_a_copy_elsewhere_decides_by_the_change(tmp_path: Path, where: str) -> None:
    """A click that names another channel and message is of the same person; the copy is drawn again like the card."""
    async with grants.held(tmp_path) as (world, core, card, change):
        world.slack.kick("approvals", "dave")
        parts = {
            "channel": {"id": where, "name": "x"},
            "container": {"type": "message", "message_ts": "1700000000.000100", "channel_id": where},
        }
        await press(world, "dave", card, "vps:approve", **parts)
        await world.slack.wait_for(lambda: "not among" in shown(world, "dave"))
        await press(world, "alice", card, "vps:approve", **parts)
        now = await core.changes.get(change.id, scope=OPERATOR)
        assert (now.state, now.votes) == (State.HELD, ())
        await press(world, "bob", card, "vps:approve", **parts)
        await world.card("approvals", words="Reboot web01.example.com: done")
