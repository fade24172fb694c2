"""Mentions, direct messages and threads with several workspaces: nothing of another one is in an answer."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.slack_bot import message_words
from tests.fakes.slack_many import TABLES, WorkspacesHarness, stage
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.workspace.config import BOT_USER_ID
from vpsops.playground.slack.workspace.entities import Channel, Message

ZOE: Final = "U0ZOE"
REASON: Final = "noise of the fan"
ADDRESS: Final = "185.35.202.45"
SHARED: Final = "C0OPS"
"""A channel of Acme's that it shares with Beta, which has it by the same id."""
HIDDEN: Final = """
[[rule]]
id = "hidden"
person = ["U0ZOE"]
server = "web01"
decision = "deny"
reason = "web01 is Acme's."
"""


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[WorkspacesHarness]:
    """Two workspaces with the app, a channel that they share, and a rule that keeps web01 from Zoe of Beta."""
    async with stage(tmp_path, TABLES + HIDDEN) as harness:
        for team in ("T0ACME", "T0BETA"):
            assert (await harness.install(team))[0] == 200
        members = frozenset({ZOE, "U0ALICE", BOT_USER_ID})
        harness.slack["T0BETA"].desk.state.channels[SHARED] = Channel(SHARED, "shared", members)
        yield harness


async def card_of_acme(both: WorkspacesHarness) -> tuple[Change, Message]:
    """Let Bob of Acme ask for a reboot of web01 in a mention; return it with its card in the shared channel."""
    await both.slack["T0ACME"].mention("bob", "ops", f"reboot web01 because {REASON}")
    card = await both.card("T0ACME", "ops", "waiting for confirmation")
    (change,) = await both.core.changes.list(scope=OPERATOR)
    return change, card


def in_thread(text: str, thread: str, number: int) -> Mapping[str, object]:
    """Return the event of a mention by Zoe in a thread of the shared channel."""
    ts = f"{float(thread) + number:.6f}"
    words = {"text": f"<@{BOT_USER_ID}> {text}", "client_msg_id": f"00000000-0000-4000-9000-{number:012}"}
    place = {"channel": SHARED, "thread_ts": thread, "ts": ts, "team": "T0BETA"}
    return {"type": "app_mention", "user": ZOE, **words, **place}


async def answers(both: WorkspacesHarness, beta: SimulatedWorkspace) -> list[str]:
    """Return the words of all answers that Zoe has, once nothing is in hand."""
    assert await both.bot.inbox_worker.drain(60.0)
    return [message_words(each) for each in (*beta.ephemerals(ZOE), *beta.direct_messages(ZOE)) if each.user != ZOE]


async def is_untouched(both: WorkspacesHarness, change: Change) -> bool:
    """Return whether the change is the only one, and still waits."""
    (only,) = await both.core.changes.list(scope=OPERATOR)
    return (only.id, only.state, only.version) == (change.id, State.HELD, change.version)


@pytest.mark.requirement("slack-messages")
async def test_a_change_of_another_workspace_is_in_no_answer_to_a_message(both: WorkspacesHarness) -> None:
    """Lists leave it out, and its id is the id of no change, in a mention and in a direct message."""
    change, _ = await card_of_acme(both)
    beta = both.slack["T0BETA"]
    commands = ("changes", "audit", "report", f"cancel {change.id}", f"approve {change.id}", f"deny {change.id}")
    for text in commands:
        await beta.mention(ZOE, "ops", text)
        await beta.direct_message(ZOE, text)
    words = await answers(both, beta)
    assert len(words) == 2 * len(commands)
    assert len([each for each in words if "no change" in each.lower()]) >= 6
    assert not any(word in both.sent_words(beta) for word in (REASON, "U0BOB", SHARED))
    assert await is_untouched(both, change)


@pytest.mark.requirement("thread-server")
async def test_a_thread_under_a_card_of_another_workspace_is_about_nothing(both: WorkspacesHarness) -> None:
    """In a channel that both share: no command means the card's server, and no approval leads to its change."""
    change, card = await card_of_acme(both)
    beta = both.slack["T0BETA"]
    for number, text in enumerate(("show", "status", "stop because disk", "approve", "cancel"), 1):
        await beta.event(in_thread(text, card.ts, number))
    words = await answers(both, beta)
    assert len(words) == 5
    assert len([each for each in words if "needs a server" in each]) == 3
    assert not [each for each in words if "so the thread's is meant" in each]
    assert not any(word in both.sent_words(beta) for word in (REASON, "U0BOB", change.id, "web01.example.com"))
    assert await is_untouched(both, change)


@pytest.mark.requirement("thread-server")
async def test_a_server_that_is_kept_from_a_workspaces_people_is_in_no_answer(both: WorkspacesHarness) -> None:
    """By a rule about them: in mentions, direct messages and threads no fact of it, and no change."""
    change, card = await card_of_acme(both)
    beta = both.slack["T0BETA"]
    for number, text in enumerate(("show web01", "status web01", "reboot web01 because disk", "start web01"), 1):
        await beta.mention(ZOE, "ops", text)
        await beta.direct_message(ZOE, text)
        await beta.event(in_thread(text, card.ts, number))
    words = await answers(both, beta)
    assert len(words) == 12
    assert len([each for each in words if "web01 is Acme's." in each]) == 12
    assert not any(word in both.sent_words(beta) for word in (ADDRESS, REASON, change.id, "running"))
    assert await is_untouched(both, change)
