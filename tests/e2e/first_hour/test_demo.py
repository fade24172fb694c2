"""The stories of `vpsops demo`: the real bot and MCP server on sockets, each story's claim checked at its end."""

import re
from collections.abc import AsyncIterator
from typing import Final

import pytest

from vpsops.core.common.clock import SystemClock
from vpsops.core.console.layout import Style, text_width
from vpsops.playground.demo import NEXT_STEPS
from vpsops.playground.stories.demo_processes import DemoProcesses, demo_processes
from vpsops.playground.stories.scripts import STORIES
from vpsops.playground.stories.transcript import StoryTranscript

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
MOST_LINES: Final = 70
COLUMNS: Final = 80
ESCAPES: Final = re.compile(r"\x1b\[\d*m")
SAID: Final = {
    "confirm": ("bob presses Reboot: “Only alice can confirm this change.”", "🟢 Reboot web01.example.com: done"),
    "agent-held": ("others must decide", "🟢 Reboot db01.example.com: done", "succeeded after"),
    "provisioning": ("Create app03.example.com", "Cost: 199 NOK a month", "app03.example.com is ready"),
    "lost-answer": ("gets lost on its way", "Create of app04.example.com succeeded"),
    "outsider": ("dave presses Approve: “You are not among those who may decide", "was denied; nothing was done"),
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def written() -> list[str]:
    """What all the stories wrote, as at a terminal of 80 columns."""
    return []


@pytest.fixture(scope="module")
async def stage(written: list[str], anyio_backend: str) -> AsyncIterator[DemoProcesses]:
    del anyio_backend
    transcript = StoryTranscript(written.append, Style(COLUMNS, colour=True), SystemClock())
    async with demo_processes(transcript) as processes:
        yield processes


@pytest.mark.requirement("demo-stories")
@pytest.mark.parametrize("name", STORIES)
async def test_a_story_ends_with_its_claim_checked(stage: DemoProcesses, written: list[str], name: str) -> None:
    """It shows what people saw, in colours and frames, no line wider than the terminal, and a proof with its time."""
    before = len(written)
    stage.transcript.heading(name)
    await STORIES[name].play(stage)
    coloured = "".join(written[before:])
    text = ESCAPES.sub("", coloured)
    assert all(words in text for words in SAID[name])
    assert re.search(r"^   ✓ .* \d+\.\d s$", text.splitlines()[-1])
    assert max(map(text_width, text.splitlines())) <= COLUMNS
    assert "\x1b[32m   ✓" in coloured
    assert ("╭" in text) is (name in {"confirm", "agent-held", "provisioning"})


async def test_the_whole_is_read_at_once(stage: DemoProcesses, written: list[str]) -> None:
    """The introduction, the stories before this and the next steps have seventy lines at most."""
    del stage
    lines = "".join(written).splitlines()
    assert sum("✓" in line for line in lines) == len(STORIES)
    assert 1 + len(lines) + 2 + len(NEXT_STEPS) <= MOST_LINES
