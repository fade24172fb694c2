"""`vpsops demo`: five stories on simulators, over real sockets; says what was received, and exits 0 if all was so."""

import argparse
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import anyio

from vpsops.core.common.clock import SystemClock
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.text import one_line
from vpsops.core.console.layout import style_of
from vpsops.playground.processes import StageError
from vpsops.playground.stories.demo_processes import demo_processes
from vpsops.playground.stories.scripts import STORIES, DemoStory
from vpsops.playground.stories.transcript import StoryTranscript

NAME: Final = "vpsops"
STORY_SECONDS: Final = 120.0
NAME_SHOWN: Final = 40
INTRODUCTION: Final = "vpsops: real bot, real MCP server; Slack and the provider are simulated."
NEXT_STEPS: Final = (
    ("See it in a browser", "{} playground"),
    ("Use it by hand", '{} simulator, then the README\'s "Three next steps"'),
    ("Set up your own", "{} init"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the choice of one story."""
    names = ", ".join(STORIES)
    parser.add_argument("--story", metavar="NAME", help=f"play this one: {names}; all of them unless given")


def run(arguments: argparse.Namespace) -> int:
    """Play the stories; return 1 when one of them did not end as scripted."""
    transcript = StoryTranscript(write_now, style_of(sys.stdout, os.environ), SystemClock())
    failures: list[BaseException] = []
    try:
        anyio.run(play, transcript, chosen(arguments.story))
    except* (StageError, TimeoutError) as group:
        failures = _leaves(group)
    for error in failures:
        transcript.line()
        transcript.line(f"The story stopped: {str(error) or 'it took too long'}", "red")
    return 1 if failures else 0


def chosen(name: str | None) -> Mapping[str, DemoStory]:
    """Return one story, or all. Raises `InvalidInputError` with the names for one that there is not."""
    if name is None:
        return STORIES
    if name not in STORIES:
        lines = ", ".join(f"{key} ({story.title[0].lower()}{story.title[1:]})" for key, story in STORIES.items())
        raise InvalidInputError(f"There is no story {one_line(name, NAME_SHOWN)!r}.", hint=f"There are: {lines}.")
    return {name: STORIES[name]}


def write_now(text: str) -> None:
    """Write to standard output without waiting for the end of the line."""
    sys.stdout.write(text)
    sys.stdout.flush()


async def play(transcript: StoryTranscript, stories: Mapping[str, DemoStory]) -> None:
    """Start everything, play the stories in order, and say what comes next."""
    begun = transcript.clock.monotonic()
    transcript.line(INTRODUCTION, "bold")
    async with demo_processes(transcript) as stage:
        for number, (name, story) in enumerate(stories.items(), start=1):
            transcript.heading(f"{number}. {story.title} ({name})")
            with anyio.fail_after(STORY_SECONDS):
                await story.play(stage)
    transcript.heading(f"All checked, in {transcript.clock.monotonic() - begun:.0f} s.")
    for label, command in NEXT_STEPS:
        transcript.remark(f"{label}:  {command.format(own_name(sys.argv[0]))}")


def own_name(called: str) -> str:
    """Return what starts this program again: its bare name, or how it was called where that name is not found."""
    return called if Path(called).name == NAME and shutil.which(NAME) is None else NAME


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        item
        for error in group.exceptions
        for item in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
