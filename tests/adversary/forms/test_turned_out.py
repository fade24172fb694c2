"""People who were turned out between a form and its sending, or between a card and the click on it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa

from tests.adversary.forms.forgery import INTERACTIVE, become, chosen, opened, press, send, shown, turn_out
from tests.e2e.bot_messages import test_bot_grants as grants
from tests.e2e.break_glass import test_bot_overrides as overrides
from tests.fakes.slack_bot import BotHarness, Scene, playing, stage
from tests.harness.internals import database_of
from vpsops.bot.blocks.elements import pack
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.storage.tables import CHANGES
from vpsops.playground.slack.api.dispatch import Sending

World = BotHarness
Out = Callable[[World, str], None]
OUT: Final[dict[str, Out]] = {
    "guest": lambda world, name: become(world.slack, name, is_restricted=True),
    "deactivated": lambda world, name: become(world.slack, name, deleted=True),
    "out of the group": lambda world, name: turn_out(world.slack, name),
}


async def settled(world: World, user: str) -> None:
    await world.slack.wait_for(lambda: shown(world, user))


@pytest.mark.parametrize("out", OUT)
@pytest.mark.parametrize(
    ("action", "values"),
    [
        ("vps:deny", {"reason": "no"}),
        ("vps:approve_note", {"reason": "yes"}),
        ("vps:approve_grant", {"grant_time": chosen("3600"), "grant_servers": chosen("server")}),
    ],
)
async def test_their_votes_by_form_count_for_nothing(
    tmp_path: Path, out: str, action: str, values: dict[str, object]
) -> None:
    """Membership is read when the form is sent, not when it was opened."""
    async with grants.held(tmp_path) as (world, core, card, change):
        view = await opened(world, "bob", card, action)
        OUT[out](world, "bob")
        await send(world, "bob", view, values)
        await settled(world, "bob")
        await world.slack.wait_for(lambda: "Working" not in shown(world, "bob"))
        now = await core.changes.get(change.id, scope=OPERATOR)
        assert (now.state, now.votes) == (State.HELD, ()), shown(world, "bob")
        assert await core.grants.list_open(scope=OPERATOR) == []


@pytest.mark.parametrize("out", OUT)
async def test_they_end_no_grant(tmp_path: Path, out: str) -> None:
    """An approver's right to end a grant is read at the click."""
    async with grants.held(tmp_path) as (world, core, card, _):
        await grants.grant(world, card)
        line = await world.card("approvals", words="Allowed: Reboot web01.example.com")
        OUT[out](world, "carol")
        await press(world, "carol", line, "vps:grant_end")
        await settled(world, "carol")
        assert len(await core.grants.list_open(scope=OPERATOR)) == 1


@pytest.mark.parametrize("out", OUT)
async def test_they_run_nothing_without_approval(tmp_path: Path, out: str) -> None:
    """A form that was opened by right is refused once the right is gone."""
    async with overrides.asked(tmp_path) as (world, core, card):
        view = await opened(world, "alice", card, "vps:override")
        OUT[out](world, "alice")
        await send(world, "alice", view, {"reason": overrides.REASON, "name": "web01.example.com"})
        await world.slack.wait_for(lambda: "Only full" in shown(world, "alice") or "not among" in shown(world, "alice"))
        assert (await overrides.the_change(core)).state is State.HELD
        assert world.effects("reboot") == 0


@pytest.mark.parametrize("out", OUT)
async def test_they_close_no_review(tmp_path: Path, out: str) -> None:
    """A review is closed by an approver of that moment."""
    async with overrides.asked(tmp_path) as (world, core, card):
        await overrides.run_by_form(world, card)
        call = await world.card("approvals", words="un without approval: ")
        view = await opened(world, "bob", call, "vps:review")
        OUT[out](world, "bob")
        await send(world, "bob", view, {"reason": overrides.NOTE})
        await world.slack.wait_for(lambda: "Only full" in shown(world, "bob") or "not among" in shown(world, "bob"))
        assert len(await core.changes.open_reviews(scope=OPERATOR)) == 1


@pytest.mark.parametrize("out", ["guest", "deactivated"])
async def test_they_confirm_nothing_of_their_own(tmp_path: Path, out: str) -> None:
    """What a full member asked for, a guest does not confirm."""
    async with stage(tmp_path, Scene()) as world, world.bot() as (bot, core):
        await world.slack.command("alice", "ops", "/vps", "reboot web01")
        card = await world.card(words="waiting for confirmation")
        OUT[out](world, "alice")
        await press(world, "alice", card, "vps:confirm")
        assert await bot.inbox_worker.drain(60.0)
        (change,) = await core.changes.list(scope=OPERATOR)
        assert change.state is State.HELD
        assert world.effects("reboot") == 0
        assert "Only full" in shown(world, "alice")


@pytest.mark.parametrize("out", ["guest", "deactivated"])
async def test_they_confirm_no_plan_of_their_own(tmp_path: Path, out: str) -> None:
    """Nor a plan."""
    async with stage(tmp_path, Scene()) as world, world.bot() as (bot, core):
        await world.slack.command("alice", "ops", "/vps", "reboot web01 db01")
        card = await world.card(words="waiting for confirmation")
        OUT[out](world, "alice")
        await press(world, "alice", card, "vps:confirm")
        assert await bot.inbox_worker.drain(60.0)
        assert [change.state for change in await core.changes.list(scope=OPERATOR)] == [State.HELD]


@pytest.mark.parametrize("out", OUT)
async def test_they_stop_no_plan_of_others(tmp_path: Path, out: str) -> None:
    """The plan continues."""
    async with playing(tmp_path) as world:
        await world.slack.command("alice", "ops", "/vps", "reboot web01 db01 pause=5m")
        await world.slack.click("alice", await world.card(words="waiting for confirmation"), "vps:confirm")
        running = await world.card(words="1 of 2 done")
        OUT[out](world, "bob")
        await press(world, "bob", running, "vps:stop_plan")
        await settled(world, "bob")
        assert "not started" not in str(await world.card(words="1 of 2 done"))


@pytest.mark.parametrize("out", ["guest", "deactivated"])
async def test_they_settle_nothing_of_their_own(tmp_path: Path, out: str) -> None:
    """What became of a change is said by full members; a guest's word is refused."""
    async with stage(tmp_path, Scene()) as world, world.bot() as (bot, core):
        await world.slack.command("alice", "ops", "/vps", "reboot web01")
        await world.card(words="waiting for confirmation")
        (held,) = await core.changes.list(scope=OPERATOR)
        unclear = sa.update(CHANGES).values(state=State.NEEDS_PERSON.value)
        await database_of(core).transact(lambda connection: connection.execute(unclear))
        OUT[out](world, "alice")
        person = world.slack.desk.state.users["U0ALICE"]
        action = {"type": "button", "action_id": "vps:happened", "block_id": "b", "value": pack({"c": held.id})}
        place = world.slack.place(await world.card())
        await world.slack.deliver(
            "block_actions", INTERACTIVE, world.slack.payloads.block_actions(person, place, action), Sending()
        )
        assert await bot.inbox_worker.drain(60.0)
        (change,) = await core.changes.list(scope=OPERATOR)
        assert change.state is State.NEEDS_PERSON
