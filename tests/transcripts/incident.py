"""An incident in Slack: another app's alarm, a look and a reboot in its thread, an approval on a phone, the end."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.fakes.slack.notifications import notifications
from tests.fakes.slack_bot import BotHarness, Scene, stage
from tests.transcripts.record import Record
from vpsops.core.app import Core
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Message
from vpsops.playground.slack.workspace.state import MessageDraft

POLICY: Final = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "disruptions"
risk = "disruptive"
decision = "approve"
approvers = { groups = ["S0APPROVERS"] }
"""
VARYING: Final = (
    (re.compile(r"<!date\^[^|>]*\|([^>]*)>"), r"\1"),
    (re.compile(r"(?<=CPU: )\d+"), "96"),
    (re.compile(r"(?<=Memory: )\d+"), "67"),
    (re.compile(r"(?<=Disk: )\d+"), "42"),
    (re.compile(r"(?<=Uptime: )[^.]+"), "30 d"),
    (re.compile(r"(?<=Received: )\S+ \w+"), "157 MB"),
    (re.compile(r"(?<=Sent: )\S+ \w+"), "52 MB"),
    (re.compile(r"(?<=It took )[^.]+"), "8 s"),
)
"""What differs from one run to the next."""
ALARM: Final = "ALERT web01.example.com answers HTTP 504 since 02:14"
ALARMS: Final = "U0ALARMS"
ABOUT: Final = (
    "What people read in Slack, as plain text: each message's top-level text, which a screen reader or a lock screen"
    " gets. Ids and times are replaced by fixed ones. `tests/e2e/test_incident.py` plays the same scene and asserts it."
)


@dataclass(slots=True)
class Story:
    """What was said during an incident, in order, and the messages that matter."""

    lines: list[str] = field(default_factory=list)
    record: Record = field(default_factory=Record)
    alarm: Message | None = None
    asked: Message | None = None
    card: Message | None = None
    done: Message | None = None
    rang: bool = False

    def say(self, who: str, where: str, words: str) -> None:
        """Write a message down."""
        for pattern, fixed in VARYING:
            words = pattern.sub(fixed, words)
        quoted = "\n".join(f"> {line}" for line in self.record.words(words).splitlines())
        self.lines.append(f"**{who}**, {where}:\n\n{quoted}")

    @property
    def page(self) -> str:
        """The incident as a page."""
        return "\n\n".join(["# An incident in a thread", ABOUT, *self.lines]) + "\n"


Check = Callable[[BotHarness, Core, Story], Awaitable[None]]


def scene_of(directory: Path) -> Scene:
    """Return a workspace in which a group approves what disrupts."""
    config = directory / "vpsops.toml"
    config.write_text(POLICY, encoding="utf-8")
    workspace = WorkspaceConfig().with_scopes("channels:read", "groups:read", "users:read.email", "usergroups:read")
    return Scene(workspace=workspace, settings={"VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS", "VPSOPS_CONFIG": str(config)})


async def play(directory: Path, check: Check | None = None) -> Story:
    """Play the incident from the alarm to its end."""
    story = Story()
    async with stage(directory, scene_of(directory)) as world, world.bot() as (_, core):
        await look(world, story)
        await reboot(world, story)
        if check is not None:
            await check(world, core, story)
    return story


async def look(world: BotHarness, story: Story) -> None:
    """Let another app post an alarm, and a person ask for the server's figures in its thread."""
    slack = world.slack
    draft = MessageDraft("C0OPS", ALARMS, ALARM, ())
    story.alarm = slack.desk.state.post(draft, slack.desk.now())
    story.say("the monitoring app", "#ops", ALARM)
    await slack.mention("alice", "ops", "status web01", story.alarm.ts)
    story.say("alice", "in the alarm's thread", "@vpsops status web01")
    answer = await world.private("alice", "web01.example.com")
    story.say("vpsops", "in the thread, to alice alone", answer.text)


async def reboot(world: BotHarness, story: Story) -> None:
    """Let the person ask for a reboot in the thread, and an approver press the button that rang their phone."""
    slack, alarm = world.slack, story.alarm
    assert alarm is not None
    await slack.mention("alice", "ops", "reboot web01 because HTTP 504 since 02:14", alarm.ts)
    story.say("alice", "in the alarm's thread", "@vpsops reboot web01 because HTTP 504 since 02:14")
    story.asked = await world.card(words="waiting for approval")
    story.say("vpsops", "in the thread", story.asked.text)
    story.card = await world.card("approvals", words="your approval is needed")
    story.say("vpsops", "#approvals; rings the phones of the group", story.card.text)
    story.rang = story.card.ts in {message.ts for message in notifications(slack, "bob")}
    await slack.click("bob", story.card, "vps:approve")
    story.lines.append("*bob presses Approve on his phone.*")
    story.done = await world.card(words="Reboot web01.example.com: done")
    story.say("vpsops", "the card in the thread, redrawn", story.done.text)
    closed = await world.card("approvals", words="Reboot web01.example.com: done")
    story.say("vpsops", "the card in #approvals, redrawn", closed.text)
