"""Two places ask the human of an agent: one that closes counts no more, and without any the change ends."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.core.harness import AGENT, ALICE, Setup, Stage, staged
from vpsops.core.audit import chain
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.changes.approvals import SLACK_DIALOG, awaits_slack
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.messaging.outbox import Outbox, topic_of
from vpsops.core.policy.loader import parse_policy
from vpsops.playground.wayscloud.serve import SimulatorHandle

BOTH = parse_policy('[[rule]]\nid = "all"\ndecision = "confirm"\nconfirm_in = ["client", "slack"]\n', "vpsops.toml")
OTHERS = Actor(ActorKind.AGENT, "mcp:other", "other", "slack:U9")


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    """A core whose policy lets the human of an agent confirm in either place, on a database that a bot has served."""
    async with staged(database_url, provider, Setup(policy=BOTH)) as set_stage:
        await card_of(set_stage, "chg_before")
        yield set_stage


async def card_of(stage: Stage, change_id: str) -> None:
    """Post the card of a change to the direct messages of the human."""
    await Outbox(stage.database, "bot", stage.clock).remember(topic_of(change_id), "asker", "D1", "1.000001")


async def events(stage: Stage) -> list[str]:
    return [record.event for record in await stage.database.read(chain.read)]


async def close_dialog(stage: Stage, change: Change) -> Change:
    return await stage.gate.close_dialog(change.id, AGENT, reason="The asker went away.", scope=OPERATOR)


@pytest.mark.requirement("never-held-unseen")
async def test_a_dialog_that_closed_before_slack_was_found_closed_ends_the_change(stage: Stage) -> None:
    """It is on record that the client asks no more, so that nothing waits where no one is asked."""
    change = await stage.ask("reboot", AGENT, server="web01")
    assert change.ruling.confirm_in == ("client", "slack")
    left = await close_dialog(stage, change)
    assert (left.state, left.ruling.confirm_in) == (State.HELD, ("slack",))
    ended = await stage.gate.unreachable(change.id, scope=OPERATOR)
    assert ended.state is State.CANCELLED
    assert await events(stage) == ["requested", "dialog_closed", "unreachable"]
    assert [item async for item in discrepancies(stage.database)] == []


@pytest.mark.requirement("never-held-unseen")
async def test_slack_that_was_found_closed_leaves_the_client_alone(stage: Stage) -> None:
    """The client's word counts, Slack's does not, and a client that goes away then takes the change along."""
    change = await stage.ask("reboot", AGENT, server="web01")
    left = await stage.gate.unreachable(change.id, scope=OPERATOR)
    assert (left.state, left.ruling.confirm_in, awaits_slack(left)) == (State.HELD, ("client",), False)
    assert (await close_dialog(stage, change)).ruling.confirm_in == ("client",)
    with pytest.raises(NotAllowedError, match="in the client that asked"):
        await stage.gate.confirm(change.id, ALICE, change.digest, place=SLACK_DIALOG, scope=OPERATOR)
    await stage.gate.confirm(change.id, AGENT, change.digest, scope=OPERATOR)
    assert (await stage.rest(change.id)).state is State.SUCCEEDED
    assert [item async for item in discrepancies(stage.database)] == []
    assert (await events(stage))[:4] == ["requested", "unreachable", "refused", "confirmed"]


async def test_where_the_card_is_there_the_client_may_ask_again(stage: Stage) -> None:
    """Both places stay."""
    change = await stage.ask("reboot", AGENT, server="web01")
    await card_of(stage, change.id)
    assert (await close_dialog(stage, change)).ruling.confirm_in == ("client", "slack")
    assert await events(stage) == ["requested"]


async def test_an_agent_of_another_human_closes_no_dialog(stage: Stage) -> None:
    """It is refused, on record."""
    change = await stage.ask("reboot", AGENT, server="web01")
    with pytest.raises(NotAllowedError):
        await stage.gate.close_dialog(change.id, OTHERS, scope=OPERATOR)
    assert (await stage.changes.get(change.id, scope=OPERATOR)).ruling.confirm_in == ("client", "slack")
