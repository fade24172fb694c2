"""How many files a value enters on its way from a request to the stored change.

The measure is the redesign's *walk*: every file of the product (core, bot, mcp_server) that is called with the value,
or with an object that holds it, counts once, from the function that has the parsed request in hand to the return of
the insert. The value is the reason that a person or an assistant gives, which alone reaches the stored row as it was
typed; it is in every object that carries the text or the arguments. An argument is on its way checked, described and
hashed besides, by its operation's family: a display name is followed for it. The name of a server enters what finds it
at the provider and what rules and limits ask, and is not followed.
"""

from pathlib import Path
from typing import Final

import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.slack_bot import stage
from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from tests.harness.walks import Walk, followed, holds
from tests.unit.mcp_server.harness import Human, client_of
from vpsops.core.app import open_core
from vpsops.core.changes.requests import Request
from vpsops.core.identity.actors import Actor, ActorKind, Origin

WORD: Final = "becauseofwalks"
STORED: Final = "core/changes/repository.py:insert"
SLACK_FILES: Final = 13
MCP_FILES: Final = 12
ARGUMENT_FILES: Final = 21
STOP: Final = {"server": "web01", "reason": WORD}
CREATE: Final = {
    "hostname": "walk.example.com",
    "plan": "vps-2gb-1cpu",
    "region": "NO",
    "os_template": "debian-12",
    "display_name": WORD,
}


def check(walk: Walk, most: int) -> None:
    """Assert that the word reached the row, through at most so many files."""
    assert walk.finished
    assert STORED.partition(":")[0] in walk.files
    assert len(walk.files) <= most, f"{len(walk.files)} files: {', '.join(walk.files)}"


@pytest.mark.requirement("short-walks")
async def test_a_slash_commands_text_enters_few_files(tmp_path: Path) -> None:
    """From the handler that has the text to the insert of the change."""
    with followed(WORD, first="bot/handlers/commands.py:obey", last=STORED) as walk:
        async with stage(tmp_path) as world, world.bot():
            await world.slack.command("alice", "ops", "/vps", f"reboot web01 because {WORD}")
            await world.slack.wait_for(lambda: walk.finished)
    check(walk, SLACK_FILES)


@pytest.mark.requirement("short-walks")
@pytest.mark.parametrize(
    ("tool", "arguments", "most"), [("vps_stop", STOP, MCP_FILES), ("vps_create", CREATE, ARGUMENT_FILES)]
)
async def test_a_tool_calls_arguments_enter_few_files(
    tmp_path: Path, tool: str, arguments: dict[str, str], most: int
) -> None:
    """From the server's answer to a call to the insert of the change."""
    with followed(WORD, first="mcp_server/server.py:_answer", last=STORED) as walk:
        async with (
            stage(tmp_path) as world,
            open_core(world.settings, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as core,
            client_of(core, "legacy", Human()) as client,
        ):
            await client.call_tool(tool, arguments)
    check(walk, most)


def test_a_word_is_found_in_fields_and_containers() -> None:
    """A request that holds it in its arguments is one that holds it."""
    actor = Actor(ActorKind.PERSON, "U1", "alice", "U1")
    assert holds([Request("stop", {"server": WORD}, actor, Origin("slack"))], WORD)
    assert not holds([Request("stop", {"server": "web01"}, actor, Origin("slack"))], WORD)
