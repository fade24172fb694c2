"""An incident in a thread, from another app's alarm to the end of the reboot; docs/transcripts/incident.md shows it."""

from pathlib import Path

import pytest

from tests.fakes.slack.notifications import notifications
from tests.fakes.slack_bot import BotHarness, buttons, message_words
from tests.harness.patience import eventually
from tests.transcripts.__main__ import PLACE
from tests.transcripts.incident import Story, play
from vpsops.core.app import Core
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR


async def check(world: BotHarness, core: Core, story: Story) -> None:
    """Assert what each person got, and that one reboot was done."""
    slack = world.slack
    assert story.alarm is not None
    assert story.asked is not None
    assert story.card is not None
    assert story.done is not None
    thread = story.alarm.ts
    assert {story.asked.thread_ts, story.done.thread_ts} == {thread}
    assert story.asked.ts == story.done.ts
    assert {answer.thread_ts for answer in slack.ephemerals("alice")} == {thread}
    assert [message.ts for message in slack.messages("ops") if message.thread_ts is None] == [thread]
    assert story.rang
    assert "HTTP 504 since 02:14" in message_words(story.card)
    assert buttons(story.done) == []
    await eventually(lambda: any("is done" in message.text for message in notifications(slack, "alice")))
    assert len([message for message in notifications(slack, "bob") if "Reboot" in message.text]) == 1
    (change,) = await core.changes.list(scope=OPERATOR)
    assert (change.state, change.origin.thread, world.effects("reboot")) == (State.SUCCEEDED, thread, 1)
    assert [vote.voter.name for vote in change.votes] == ["bob"]


@pytest.mark.requirement("slack-messages")
async def test_an_incident_is_handled_in_its_thread(tmp_path: Path) -> None:
    """Alarm, status, reboot, approval by who is rung, and the end; and the page of it is current."""
    story = await play(tmp_path, check)
    assert story.page == (PLACE / "incident.md").read_text(encoding="utf-8")
