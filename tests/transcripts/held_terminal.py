"""A reboot that is asked for at a terminal, approved in Slack by another person, and followed to its end."""

import re
import shlex
from pathlib import Path
from typing import Final

import anyio

from tests.fakes.slack_bot import BotHarness, stage
from tests.fakes.timing import QUICK
from tests.harness.patience import eventually
from tests.transcripts.incident import VARYING, Story, scene_of
from tests.unit.cli.operations.terminal import FakeTerminal

WORDS: Final = ("ask", "reboot", "web01", "--because", "it hangs", "--wait", "30m")
ABOUT: Final = (
    "What a script, a CI job or cron prints, and what people read in Slack meanwhile, as plain text. The simulated"
    " provider and the simulated workspace stand in place of accounts; ids, times and the machine's name are replaced"
    " by fixed ones, and words of progress after the approval are left out."
    " `tests/e2e/bot_changes/test_terminal.py` plays the same and asserts it."
)
AGENT: Final = re.compile(r"(?<=vpsops on )[^”]+")
LEFT: Final = re.compile(r", [^,\n]+ left$", re.MULTILINE)


async def terminal_page(directory: Path) -> str:
    """Play it, and return the page."""
    story = Story()
    async with stage(directory, scene_of(directory)) as world, world.bot():
        await _play(world, story)
    return "\n\n".join(["# A held reboot from a terminal", ABOUT, *story.lines]) + "\n"


async def _play(world: BotHarness, story: Story) -> None:
    settings = world.settings.model_copy(update={"actor": "alice@acme.example"})
    screen = FakeTerminal(settings, person=False, accounts=None, timing=QUICK)
    codes: list[int] = []

    async def command() -> None:
        codes.append(await screen.run(*WORDS))

    async with anyio.create_task_group() as group:
        group.start_soon(command)
        card = await world.card("approvals", words="your approval is needed")
        await eventually(lambda: LEFT.search(screen.shown) is not None)
        _print(story, f"$ vpsops {shlex.join(WORDS)}\n{screen.shown}")
        _say(story, "#approvals", card.text)
        await world.slack.click("alice", card, "vps:approve")
        refused = await world.private("alice", "others must decide")
        _say(story, "#approvals, to alice alone, who pressed Approve", refused.text)
        await world.slack.click("bob", card, "vps:approve")
        story.lines.append("*bob presses Approve.*")
        await eventually(lambda: bool(codes))
    _print(story, f"{screen.result}$ echo $?\n{codes[0]}")
    done = await world.card("approvals", words="Reboot web01.example.com: done")
    _say(story, "the card in #approvals, redrawn", done.text)


def _say(story: Story, place: str, text: str) -> None:
    story.say("vpsops", place, AGENT.sub("ci-runner", text))


def _print(story: Story, text: str) -> None:
    """Write down what the terminal showed."""
    for pattern, fixed in (*VARYING, (LEFT, ", 59 min left")):
        text = pattern.sub(fixed, text)
    story.lines.append(f"```\n{story.record.words(text).rstrip()}\n```")
