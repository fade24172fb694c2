"""A workspace that refuses tables gets the older layout: each message once, and later ones at the first try."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace

import aiohttp
import pytest

from tests.harness.virtual_time import VirtualClock
from vpsops.bot.blocks.elements import Post, header, plain, section
from vpsops.bot.blocks.tables import TABLES_SKIPPED
from vpsops.bot.slack_api.client import ReplyTarget, SlackClient, SlackError
from vpsops.core.config.settings import Settings
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import Rates, WorkspaceConfig

CELL = {"type": "raw_text", "text": "vps-4gb-2cpu"}
TABLE = Post((header("Plans"), {"type": "table", "rows": [[CELL]]}))
SENTENCE = Post((section(plain("No table here.")),))
POST, EPHEMERAL = "chat.postMessage", "chat.postEphemeral"


@dataclass(slots=True)
class TableRoom:
    """A client of a workspace."""

    slack: SimulatedWorkspace
    client: SlackClient

    def answers(self, method: str = POST) -> list[str | None]:
        """Return what each call of a method was answered: an error or nothing."""
        return [call.error for call in self.slack.calls(method)]

    def kinds(self) -> list[list[str]]:
        """Return the kinds of blocks of each message in the channel."""
        return [[block["type"] for block in message.blocks] for message in self.slack.messages("ops")]


@pytest.fixture
async def room() -> AsyncIterator[TableRoom]:
    config = WorkspaceConfig(rates=Rates(enforced=False))
    async with (
        running_workspace(config, clock=VirtualClock(), wall=VirtualClock()) as slack,
        aiohttp.ClientSession() as session,
    ):
        settings = Settings.model_validate({"SLACK_API_URL": slack.api_url, "SLACK_BOT_TOKEN": config.bot_token})
        yield TableRoom(slack, SlackClient(settings, session))


@pytest.mark.parametrize("code", ["invalid_blocks", "invalid_blocks_format"])
async def test_a_refused_table_is_sent_once_and_the_next_ones_at_the_first_try(room: TableRoom, code: str) -> None:
    """Every word is there, and a message without a table is as it was."""
    room.slack.faults.fail_next(POST, 1, code)
    for name in ("first", "second"):
        await room.client.post("C0OPS", TABLE, name=name)
    await room.client.post("C0OPS", SENTENCE, name="third")
    assert room.answers() == [code, None, None, None]
    assert room.kinds() == [["header", "section"], ["header", "section"], ["section"]]
    assert all("vps-4gb-2cpu" in message.text for message in room.slack.messages("ops")[:2])


async def test_a_table_is_tried_again_after_a_while(room: TableRoom) -> None:
    """A refusal holds for a bounded number of messages, and is renewed by the next one."""
    room.slack.faults.fail_next(POST, 1, "invalid_blocks")
    for number in range(TABLES_SKIPPED + 2):
        await room.client.post("C0OPS", TABLE, name=str(number))
    kinds = [kind for _, kind in room.kinds()]
    assert kinds == ["section"] * (TABLES_SKIPPED + 1) + ["table"]


async def test_a_workspace_without_data_tables_keeps_its_other_tables(room: TableRoom) -> None:
    """Each kind is remembered for itself, and what is refused is the block, whichever call sends it."""
    room.slack.desk.config = replace(room.slack.desk.config, refused_blocks=frozenset({"data_table"}))
    long = Post((header("Servers"), {"type": "data_table", "caption": "Servers", "rows": [[CELL], [CELL]]}))
    for post in (long, long, TABLE):
        await room.client.post("C0OPS", post)
    await room.client.reply(ReplyTarget("U0ALICE", "C0OPS"), long)
    assert room.kinds() == [["header", "section"], ["header", "section"], ["header", "table"]]
    assert (room.answers(), room.answers(EPHEMERAL)) == (["invalid_blocks", None, None, None], [None])
    (answer,) = room.slack.ephemerals("alice")
    assert answer.text == room.slack.messages("ops")[0].text == "Servers.\nvps-4gb-2cpu.\nvps-4gb-2cpu."


@pytest.mark.parametrize("code", ["msg_too_long", "ratelimited", "internal_error"])
async def test_another_refusal_is_not_remembered(room: TableRoom, code: str) -> None:
    """It says nothing about tables."""
    room.slack.faults.fail_next(POST, 1, code)
    with suppress(SlackError):
        await room.client.post("C0OPS", TABLE, name="first")
    assert room.answers()[0] == code
    await room.client.post("C0OPS", TABLE, name="second")
    assert room.kinds()[-1] == ["header", "table"]


async def test_a_refusal_of_both_layouts_is_not_remembered(room: TableRoom) -> None:
    """The table was not the reason."""
    room.slack.faults.fail_next(POST, 2, "invalid_blocks")
    with pytest.raises(SlackError):
        await room.client.post("C0OPS", TABLE, name="first")
    await room.client.post("C0OPS", TABLE, name="second")
    assert room.kinds() == [["header", "table"]]


async def test_a_private_answer_falls_back_too(room: TableRoom) -> None:
    """It is shown once, by the same way, and the refusal is remembered for messages."""
    room.slack.faults.fail_next(EPHEMERAL, 1, "invalid_blocks")
    await room.client.reply(ReplyTarget("U0ALICE", "C0OPS"), TABLE)
    (answer,) = room.slack.ephemerals("alice")
    assert [block["type"] for block in answer.blocks] == ["header", "section"]
    assert (room.answers(EPHEMERAL), room.answers()) == (["invalid_blocks", None], [])
    await room.client.post("C0OPS", TABLE)
    assert room.kinds() == [["header", "section"]]
