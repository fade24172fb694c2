"""How many transactions the bot makes: for a whole change, for one click, and while nothing happens."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import pytest

from tests.fakes.slack_bot import BotHarness, Scene, message_words, stage
from tests.fakes.storage.databases import migrated
from tests.fakes.storage.transactions import counted
from tests.harness.patience import eventually
from tests.harness.virtual_time import VirtualClock
from vpsops.core.app import Core
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
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
    """From the request to the last message, with the card, the vote, the check of the server and all that passes."""
    async with stage(tmp_path, scene(database_url)) as world, world.bot() as (_, core):
        await anyio.sleep(5)
        with counted() as counts:
            asked = await core.gate.submit(
                Request("stop", {"server": "web01"}, AGENT, Origin("mcp"), reason="sale"), scope=OPERATOR
            )
            assert isinstance(asked, Held)
            card = await world.card("approvals", words="waiting for approval")
            await world.slack.click("bob", card, "vps:approve")
            done = await core.changes.wait(asked.change.id, seconds=60, scope=OPERATOR)
            assert done.state is State.SUCCEEDED
            await world.card("approvals", words="done")
            await anyio.sleep(2)
    assert "done" in message_words(await world.card("approvals"))
    assert counts.total() <= MOST, dict(counts)


@pytest.mark.requirement("few-transactions")
async def test_an_idle_process_makes_a_transaction_a_second(tmp_path: Path, database_url: str) -> None:
    """Whatever it reads every few seconds goes along with its heartbeat."""
    async with stage(tmp_path, scene(database_url)) as world, world.bot():
        await anyio.sleep(5)
        with counted() as counts:
            await anyio.sleep(IDLE_SECONDS)
    assert counts == Counter({"write Process._beat": counts.total()})
    assert IDLE_SECONDS / 2 < counts.total() <= IDLE_SECONDS


HEARTBEAT: Final = "write Process._beat"
"""Made every second with or without a click, so it is no cost of one."""


@dataclass(frozen=True, slots=True)
class Cost:
    """How many of each; `slack` names the methods called."""

    reads: int
    writes: int
    slack: Counter[str]

    @property
    def calls(self) -> int:
        """Calls of Slack's Web API."""
        return self.slack.total()


def cost_of(transactions: Counter[str], methods: list[str]) -> Cost:
    """Sort the counted statements and calls."""
    reads = sum(count for name, count in transactions.items() if name.startswith("read "))
    writes = sum(count for name, count in transactions.items() if name.startswith("write ") and name != HEARTBEAT)
    return Cost(reads, writes, Counter(methods))


async def approve(world: BotHarness, core: Core) -> tuple[Cost, Cost]:
    """Have an agent ask for a reboot and a person approve it; return the cost until "done", and of all that follows.

    What follows is the reply in the card's thread that mentions the human behind the agent, who gets no other message.
    """
    asked = await core.gate.submit(
        Request("reboot", {"server": "web01"}, AGENT, Origin("mcp"), reason="it hangs"), scope=OPERATOR
    )
    assert isinstance(asked, Held)
    card = await world.card("approvals", words="waiting for approval")
    await VirtualClock().sleep(5)
    before = len(world.slack.log)

    def methods() -> list[str]:
        return [call.method for call in world.slack.log[before:]]

    with counted() as transactions:
        await world.slack.click("bob", card, "vps:approve")
        await world.card("approvals", words="done")
        done = cost_of(transactions, methods())
        await eventually(lambda: methods().count("chat.postMessage") >= 1)
        await VirtualClock().sleep(3)
    return done, cost_of(transactions, methods())


@pytest.mark.requirement("click-cost")
async def test_an_approve_click_costs_little_until_its_card_says_done(tmp_path: Path) -> None:
    """At most 15 reads, 12 writes and 6 calls of Slack; after that each who is sent a message costs one call."""
    async with stage(tmp_path, scene(migrated(tmp_path / "cost.sqlite3"))) as world, world.bot() as (_, core):
        done, whole = await approve(world, core)
    assert done.reads <= 15, done
    assert done.writes <= 12, done
    assert done.calls <= 6, done
    assert whole.reads <= 15, whole
    assert whole.writes <= 15, whole
    after = Counter({"chat.postMessage": 1, "users.info": 1})  # one reply mentions the human, who may see it there
    assert whole.slack == done.slack + after, whole
