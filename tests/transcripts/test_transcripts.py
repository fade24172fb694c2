"""The pages are what the server says, and the same each time."""

from pathlib import Path

import pytest

from tests.harness.virtual_time import VirtualClock
from tests.transcripts.__main__ import PLACE
from tests.transcripts.held_terminal import terminal_page
from tests.transcripts.record import Record
from tests.transcripts.scenarios import KINDS, transcript_page
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator


@pytest.mark.parametrize(
    ("kind", "transport", "era"), [("approved", "http", "2025-11-25"), ("denied", "stdio", "2026-07-28")]
)
async def test_a_conversation_that_is_held_again_makes_the_same_page(kind: str, transport: str, era: str) -> None:
    """What the committed page shows is what goes over the wire now."""
    async with running_simulator(SimulatorConfig(seed=7, speed=600.0), clock=VirtualClock()) as provider:
        page = await transcript_page(KINDS[kind], era, transport, provider)
    assert page == (PLACE / f"{kind}-{transport}-{era}.md").read_text(encoding="utf-8")


async def test_a_terminal_shows_what_its_page_says(tmp_path: Path) -> None:
    """A held reboot is approved in the simulated Slack as the committed page has it."""
    assert await terminal_page(tmp_path) == (PLACE / "terminal.md").read_text(encoding="utf-8")


def test_what_differs_each_time_is_replaced() -> None:
    """Equal ids stay equal, others stay apart; seals, times and ports are not shown."""
    record = Record()
    text = record.plain(
        {
            "a": "chg_00aa11bb22cc at 2026-11-24T12:00:00.123Z",
            "b": ["chg_ffffffffffff", "chg_00aa11bb22cc", "http://127.0.0.1:45123/mcp"],
            "requestState": "v1.secret",
            "progress": 1.25,
        }
    )
    assert text["a"] == "chg_000000000001 at 2027-01-04T09:00:00.000Z"
    assert text["b"] == ["chg_000000000002", "chg_000000000001", "http://127.0.0.1:8900/mcp"]
    assert "secret" not in text["requestState"]
    assert text["progress"] == 0
