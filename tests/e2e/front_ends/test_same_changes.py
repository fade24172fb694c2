"""Slack, MCP and the terminal list the same changes for the same words."""

import re
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from mcp import Client
from sqlalchemy.engine import Connection

from tests.fakes.clock import START
from tests.fakes.slack_bot import BotHarness, message_words, stage
from tests.harness.internals import database_of
from tests.unit.core.sample import change, put
from tests.unit.mcp_server.harness import client_of, text
from vpsops.cli import changes as cli
from vpsops.core.app import Core
from vpsops.core.changes.model import State
from vpsops.core.operations.target import Target
from vpsops.core.storage.tables import CHANGES

CHANGE: Final = re.compile(r"chg_\d{3}")
SERVERS: Final = ("web01", "web010", "db01", "web02")
QUESTIONS: Final = {
    "": "008 007 006 005 004 003 002 001",
    "open": "008 006 005",
    "web01": "005 001",
    "WEB01.example.com": "005 001",
    "web0": "008 006 005 004 002 001",
    "s3": "007 003",
    "example": "",
}


def store(connection: Connection) -> None:
    """Store two changes of each server: an ended one, then one of which that of db01 has ended too."""
    for number in range(1, 9):
        index = (number - 1) % 4
        at = START + timedelta(seconds=number)
        state = State.SUCCEEDED if number < 5 or SERVERS[index] == "db01" else State.HELD
        target = Target(f"s{index + 1}", f"{SERVERS[index]}.example.com", "running")
        put(connection, change(id=f"chg_{number:03}", target=target, state=state, created_at=at, updated_at=at))
    unlocked = CHANGES.update().where(CHANGES.c.id == "chg_008").values(state=State.NEEDS_PERSON.value, lock=None)
    connection.execute(unlocked)


async def in_slack(world: BotHarness, words: str) -> list[str]:
    """Type the command and return the ids of its answer."""
    before = len(world.slack.ephemerals("alice"))
    delivery = await world.slack.command("alice", "ops", "/vps", f"changes {words}".strip())
    assert delivery.error is None
    answer = await world.slack.wait_for(lambda: next(iter(world.slack.ephemerals("alice")[before:]), None))
    assert answer is not None
    return listed(message_words(answer))


async def over_mcp(client: Client, words: str) -> list[str]:
    """Call the tool and return the ids of its answer."""
    chosen = {"open": {"open_only": True}, "": {"open_only": False}}
    result = await client.call_tool("vps_changes", chosen.get(words, {"open_only": False, "server": words}))
    return listed(text(result))


async def at_a_terminal(core: Core, words: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run the command and return the ids of its table."""
    parser = ArgumentParser()
    cli.add_arguments(parser)
    chosen = {"open": ["--open"], "": []}
    arguments = parser.parse_args(chosen.get(words, ["--server", words]))
    assert await cli.list_changes(arguments, database_of(core)) == 0
    return listed(capsys.readouterr().out)


def listed(answer: str) -> list[str]:
    """Return the ids in an answer, each once, in order."""
    return list(dict.fromkeys(CHANGE.findall(answer)))


@pytest.mark.requirement("same-words-same-changes")
async def test_the_same_words_list_the_same_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All, the open ones, those of a server by name, label, id, the beginning of a name; and of no server."""
    async with stage(tmp_path) as world, world.bot() as (_, core), client_of(core, "2026-07-28") as client:
        await database_of(core).transact(store)
        for words, numbers in QUESTIONS.items():
            expected = [f"chg_{number}" for number in numbers.split()]
            answers = (
                await in_slack(world, words),
                await over_mcp(client, words),
                await at_a_terminal(core, words, capsys),
            )
            assert answers == (expected, expected, expected), words
