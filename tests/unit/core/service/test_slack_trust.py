"""Where Slack ever served a database, a client's word counts for nothing that disrupts, also while the bot is down."""

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.unit.core.harness import AGENT, Setup, Stage, staged
from vpsops.core.identity.actors import Actor
from vpsops.core.messaging.outbox import Outbox
from vpsops.core.policy.loader import parse_policy
from vpsops.core.storage.tables import ACCOUNTS
from vpsops.playground.wayscloud.serve import SimulatorHandle

CONFIRM = parse_policy('[[rule]]\nid = "all"\ndecision = "confirm"\n', "vpsops.toml")


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    """A core without Slack of its own, whose policy lets the human of an agent confirm."""
    async with staged(database_url, provider, Setup(policy=CONFIRM)) as set_stage:
        yield set_stage


async def places(stage: Stage, operation: str, actor: Actor = AGENT) -> tuple[str, ...]:
    return (await stage.ask(operation, actor, server="web01")).ruling.confirm_in


def _answer(connection: Connection) -> None:
    row = {"id": "alice", "names": ["alice"], "asked": 1, "answered": 1, "account": "U1", "problem": "", "asked_at": 0}
    connection.execute(sa.insert(ACCOUNTS).values(**row))


@pytest.mark.requirement("slack-stays-trusted")
async def test_without_slack_the_client_asks(stage: Stage) -> None:
    """There is no other place."""
    assert await places(stage, "reboot") == ("client",)


@pytest.mark.parametrize("trace", ["message", "account"])
@pytest.mark.requirement("slack-stays-trusted")
async def test_a_bot_that_is_down_is_still_the_only_place(stage: Stage, trace: str) -> None:
    """A message of it or an account that it resolved shows that there is Slack."""
    if trace == "message":
        outbox = Outbox(stage.database, "bot", stage.clock)
        await outbox.remember("change:chg_1", "card", "C1", "1.000001")
    else:
        await stage.database.transact(_answer)
    assert await places(stage, "reboot") == ("slack",)
