"""How many transactions the bot makes: for a whole change, and while nothing happens."""

from collections import Counter
from pathlib import Path

import anyio
import pytest

from tests.fakes.slack_bot import Scene, shown, stage
from tests.fakes.transactions import counted
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.playground.slack.workspace.config import WorkspaceConfig

AGENT = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "slack:U0ALICE")
MOST = 50
IDLE_SECONDS = 120


def scene(database_url: str) -> Scene:
    """A bot with the product's own waits, and a channel that asks for approvals."""
    return Scene(
        workspace=WorkspaceConfig().with_scopes("channels:read", "groups:read"),
        timing=DEFAULT_TIMING,
        settings={"VPSOPS_DATABASE_URL": database_url, "VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS"},
    )


@pytest.mark.requirement("few-transactions")
async def test_a_whole_change_is_at_most_fifty_transactions(tmp_path: Path, database_url: str) -> None:
    """From the request to the last message, with the card, the vote, the look at the server and all that passes."""
    async with stage(tmp_path, scene(database_url)) as world, world.bot() as (_, core):
        await anyio.sleep(5)
        with counted() as counts:
            asked = await core.gate.submit(Request("stop", {"server": "web01"}, AGENT, Origin("mcp"), reason="sale"))
            assert isinstance(asked, Held)
            card = await world.card("approvals", words="waiting for approval")
            await world.slack.click("bob", card, "vps:approve")
            done = await core.changes.wait(asked.change.id, seconds=60)
            assert done.state is State.SUCCEEDED
            await world.card("approvals", words="done")
            await anyio.sleep(2)
    assert "done" in shown(await world.card("approvals"))
    assert counts.total() <= MOST, dict(counts)


@pytest.mark.requirement("few-transactions")
async def test_an_idle_process_makes_a_transaction_a_second(tmp_path: Path, database_url: str) -> None:
    """Whatever it looks at every few seconds goes along with its heartbeat."""
    async with stage(tmp_path, scene(database_url)) as world, world.bot():
        await anyio.sleep(5)
        with counted() as counts:
            await anyio.sleep(IDLE_SECONDS)
    assert counts == Counter({"write Process._beat": counts.total()})
    assert IDLE_SECONDS / 2 < counts.total() <= IDLE_SECONDS
