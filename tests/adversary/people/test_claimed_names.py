"""Names that others chose, wherever they are shown: a card, a question, a result, the terminal, the trail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.adversary.harness import PRIVATE_SCENE, with_settings
from tests.fakes.slack_bot import BotHarness, message_words, stage
from tests.harness.internals import database_of
from tests.unit.mcp_server.harness import Human, text
from tests.unit.mcp_server.http_harness import http_client, serving
from vpsops.bot.messages.change_card import change_card
from vpsops.cli import changes
from vpsops.core.app import Core
from vpsops.core.audit import chain
from vpsops.core.audit.queries import record_summary
from vpsops.core.audit.subjects import body_of
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Origin
from vpsops.mcp_server.auth.principal import Caller, agent_from
from vpsops.mcp_server.presenters.audit import audit_record_from as shown_record
from vpsops.playground.slack.workspace.entities import Message

AGENT = ":white_check_mark: “2 of 2 approved” for Bob"
CLAIM = 'calls itself “:white_check_mark: "2 of 2 approved" for Bob”'
DRAWN = CLAIM.replace(":white", "\ua789white")
REASON = "please :skull: now"
RULES = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "agents"
actor = "agent"
risk = ["change", "disruptive"]
decision = "confirm"
confirm_in = ["client"]
"""
LOOKALIKE = "w\u0435b01\u200b:skull:.example.com"
WARNING = "The server's name holds characters that are not shown. Compare its id."


def read_as_markup(node: Any) -> list[str]:
    """Return the texts of some blocks in which Slack draws emoji: all but plain text that declares it holds none."""
    if isinstance(node, list | tuple):
        return [words for part in node for words in read_as_markup(part)]
    if not isinstance(node, dict):
        return []
    if node.get("type") == "plain_text":
        return [] if node.get("emoji") is False else [node["text"]]
    own = [node["text"]] if node.get("type") == "mrkdwn" else []
    return own + [words for name, part in node.items() if name != "value" for words in read_as_markup(part)]


def emoji_in(message: Message) -> list[str]:
    """Return the texts of a message in which Slack would draw one of the planted pictures."""
    texts = [message.text, *read_as_markup(list(message.blocks))]
    return [words for words in texts if any(name in words for name in (":white_check_mark:", ":skull:"))]


async def terminal(core: Core, change: Change) -> str:
    """Return what `vpsops changes`, `vpsops changes ID` and `vpsops audit tail` write of a change."""
    records = await database_of(core).read(lambda connection: chain.newest(connection, 20, change_id=change.id))
    return "\n".join((*changes.change_row(change), *changes.detail(change).values(), *map(record_summary, records)))


async def recorded(core: Core, change: Change) -> tuple[list[Any], str]:
    """Return the people of a change's records, and what an assistant reads of them."""
    records = await database_of(core).read(lambda connection: chain.newest(connection, 20, change_id=change.id))
    bodies = [dict(body_of(record)) for record in records]
    people = [body[part] for body in bodies for part in ("actor", "by") if part in body]
    return people, " ".join(str(shown_record(record)) for record in records)


@asynccontextmanager
async def renamed(folder: Path, **settings: str) -> AsyncIterator[tuple[BotHarness, Core, str]]:
    """Run a bot with a server of that name; yield the server's id too."""
    scene = with_settings(PRIVATE_SCENE, VPSOPS_ACTOR="slack:U0ALICE", VPSOPS_CHANNEL="C0OPS", **settings)
    async with stage(folder, scene) as made, made.bot() as (_, core):
        made.rename("db01.example.com", LOOKALIKE)
        server = made.provider.simulator.world.find(LOOKALIKE)
        assert server is not None
        yield made, core, server.id


async def call(core: Core, tool: str, human: Human | None = None, **arguments: str) -> str:
    """Call a tool over HTTP as an agent of that name, and return its whole result."""
    async with (
        serving(core) as (site, _),
        http_client(site.local, "legacy", name=AGENT, human=human) as client,
    ):
        result = await client.call_tool(tool, arguments)
    return f"{text(result)}\n{result.structured_content}"


@pytest.mark.requirement("agent-names-are-claims")
@pytest.mark.requirement("lookalike-servers")
async def test_a_card_for_approvers_marks_what_others_chose(tmp_path: Path) -> None:
    """The agent's name is cited as its own, the server's is flagged, and none of their words draws a picture."""
    async with renamed(tmp_path) as (made, core, server):
        actor = agent_from(AGENT, Caller("slack:U0ALICE"))
        await core.gate.submit(Request("stop", {"server": server}, actor, Origin("mcp"), reason=REASON), scope=OPERATOR)
        answer = await call(core, "vps_changes")
        card = await made.card("approvals", words="waiting for approval")
        (change,) = await core.changes.list(scope=OPERATOR)
        people, read = await recorded(core, change)
        written = await terminal(core, change)
    assert change.state is State.HELD
    assert f"the agent that {DRAWN} for <@U0ALICE>" in message_words(card)
    assert WARNING in card.text
    assert "Warning" in message_words(card)
    assert emoji_in(card) == []
    assert CLAIM in answer
    assert CLAIM in written
    assert WARNING in written
    assert CLAIM in read
    assert [who["claimed"] for who in people if who["kind"] == "agent"] == [True]


@pytest.mark.requirement("agent-names-are-claims")
@pytest.mark.requirement("lookalike-servers")
@pytest.mark.requirement("confirmed-not-verified")
async def test_a_yes_in_the_client_is_said_to_be_its_word_everywhere(tmp_path: Path) -> None:
    """On the card, in the trail, in the result, at the terminal; the question marks the names too."""
    (tmp_path / "vpsops.toml").write_text(RULES, encoding="utf-8")
    human = Human()
    async with renamed(tmp_path, VPSOPS_CONFIG=str(tmp_path / "vpsops.toml")) as (made, core, server):
        answer = await call(core, "vps_stop", human, server=server, reason=REASON)
        (change,) = await core.changes.list(scope=OPERATOR)
        _, read = await recorded(core, change)
        written = await terminal(core, change)
        notice = await made.card("ops", words="not verified")
    (question,) = human.questions
    word = f"confirmed in the client {CLAIM.removeprefix('calls itself ')}, not verified"
    assert f"Asked by the agent that {CLAIM} for " in question
    assert WARNING in question
    assert word in answer
    assert word in written
    assert word in read
    assert word.replace(":white", "\ua789white") in message_words(notice)
    assert emoji_in(notice) == []
    card = change_card(change, change.updated_at)
    assert f"It was {word}." in message_words(Message("C", "1", "U", card.text, card.blocks))
