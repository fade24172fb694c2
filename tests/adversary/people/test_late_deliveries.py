"""A person's act is not carried out long after, by whatever process takes it up; they are notified."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.adversary.harness import PRIVATE_SCENE, AdversaryEnvironment, world
from tests.harness.internals import database_of
from vpsops.bot.context.freshness import MEANT_SECONDS
from vpsops.bot.protocol import action_ids
from vpsops.core.audit import queries
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.messaging.inbox import InboxDelivery
from vpsops.core.storage.tables import INBOX
from vpsops.playground.slack.protocol.payloads import PayloadPlace, click_action
from vpsops.playground.slack.rendering.elements import element_in

LATE = MEANT_SECONDS + 60


async def redelivered(
    here: AdversaryEnvironment, payload: Mapping[str, Any], kind: str, key: str, *, age: float
) -> None:
    """Leave a delivery in the database as a process that died some time ago would have, and wait for its end."""
    at = here.core.clock.now().timestamp() - age
    row = {"key": key, "kind": kind, "payload": payload, "received_at": at, "arrived_at": at}
    await database_of(here.core).transact(lambda connection: connection.execute(sa.insert(INBOX).values(**row)))
    for delivery in await here.core.inbox.unfinished(older_than=age - 1):
        here.bot.inbox_worker.take_up(delivery)
    await here.settled()


@pytest.mark.requirement("late-is-not-done")
@pytest.mark.parametrize(
    "action", [action_ids.APPROVE, action_ids.APPROVE_GRANT, action_ids.OVERRIDE, action_ids.REVIEW]
)
async def test_a_late_decision_is_not_counted(tmp_path: Path, action: str) -> None:
    """The person gets the reason, the trail has the click as refused, and the change still waits."""
    async with world(tmp_path, PRIVATE_SCENE) as here:
        await redelivered(here, _click(here, action), "click", "late", age=LATE)
        change = await here.held()
        assert (change.state, change.votes) == (State.HELD, ())
        assert "nothing was done" in here.private_words("bob")
        records = await database_of(here.core).read(
            lambda connection: queries.newest_of(connection, frozenset({"u0bob"}), 5)
        )
        assert [(item.event, item.body["about"]) for item in records] == [("refused", here.change)]


@pytest.mark.requirement("late-is-not-done")
async def test_a_vote_that_waited_a_moment_counts(tmp_path: Path) -> None:
    """A process that ended left it seconds ago: the next one carries it out."""
    async with world(tmp_path, PRIVATE_SCENE) as here:
        await redelivered(here, _click(here, "vps:approve"), "click", "young", age=30)
        await here.stage.card("approvals", words="Reboot web01.example.com: done")


@pytest.mark.requirement("late-is-not-done")
@pytest.mark.parametrize("text", ["reboot db01", "pause", "watch web01", "create"])
async def test_a_late_command_does_nothing(tmp_path: Path, text: str) -> None:
    """Nothing is asked for, paused, watched or opened."""
    async with world(tmp_path, PRIVATE_SCENE) as here:
        slack = here.stage.slack
        alice, ops = slack.desk.state.users["U0ALICE"], slack.desk.state.channels["C0OPS"]
        await redelivered(here, slack.payloads.slash(alice, ops, "/vps", text), "command", "late", age=LATE)
        assert "nothing was done" in here.private_words("alice")
        assert [change.id for change in await here.core.changes.list(scope=OPERATOR)] == [here.change]
        assert not (await here.core.changes.agents_paused()).paused
        assert slack.modal("alice") is None


@pytest.mark.requirement("late-is-not-done")
async def test_a_late_form_makes_no_server(tmp_path: Path) -> None:
    """The form that showed "Working on it" shows that nothing was done."""
    async with world(tmp_path, PRIVATE_SCENE) as here:
        slack = here.stage.slack
        await slack.command("alice", "ops", "/vps", "create")
        await slack.wait_for(lambda: "Total" in str(slack.modal("alice")))
        view = slack.modal("alice")
        assert view is not None
        state = {"hostname": {"hostname": {"type": "plain_text_input", "value": "late01.example.com"}}}
        payload = slack.payloads.view_submission(slack.desk.state.users["U0ALICE"], view, state)
        await redelivered(here, payload, "submission", "late", age=LATE)
        assert here.stage.effects("create") == 0
        assert "nothing was done" in str(slack.modal("alice"))


@pytest.mark.requirement("late-is-not-done")
async def test_time_in_hand_makes_a_delivery_no_younger(tmp_path: Path) -> None:
    """A living process keeps others from what it has in hand; when it dies, its age is what it was."""
    async with world(tmp_path, PRIVATE_SCENE) as here:
        payload, at = _click(here, "vps:approve"), here.core.clock.now().timestamp() - LATE
        row = {"key": "kept", "kind": "click", "payload": payload, "received_at": at, "arrived_at": at}
        await database_of(here.core).transact(lambda connection: connection.execute(sa.insert(INBOX).values(**row)))
        await here.core.inbox.keep(["kept"], LATE - 30)
        (delivery,) = await here.core.inbox.unfinished(older_than=20)
        assert isinstance(delivery, InboxDelivery)
        here.bot.inbox_worker.take_up(delivery)
        assert (await here.held()).votes == ()


def _click(here: AdversaryEnvironment, action: str) -> dict[str, Any]:
    """Return a click of Bob's on the card, on a button in the place and with the value of *Approve*."""
    slack = here.stage.slack
    block, element = element_in(here.card.blocks, action_ids.APPROVE, "")
    place = PayloadPlace(message=here.card, values={})
    used = click_action(block, {**element, "action_id": action})
    return slack.payloads.block_actions(slack.desk.state.users["U0BOB"], place, used)
