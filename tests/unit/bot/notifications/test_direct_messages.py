"""Direct messages to askers when very many changes end at once; the e2e tests cover the rest."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.clock import FakeClock
from tests.unit.bot.changes_in_every_state import change
from vpsops.bot.blocks.elements import Post
from vpsops.bot.notifications.change_topic import ChangeTopic
from vpsops.bot.notifications.destinations import Place
from vpsops.bot.notifications.direct_messages import BURST, BURST_SECONDS, MORE, DirectMessenger
from vpsops.bot.slack_api.client import SlackClient, SlackError
from vpsops.bot.workspaces.membership import Membership
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import State
from vpsops.core.config.settings import Settings


@dataclass
class Ends:
    """A person's ending changes; their messages are kept here."""

    core: Core
    clock: FakeClock
    sent: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    count: int = 0
    personal: DirectMessenger | None = None

    async def send(self, _place: Place, post: Post, _name: str) -> tuple[str, str]:
        """Keep a message, or refuse it as Slack would."""
        if self.refusals:
            raise SlackError("chat.postMessage", self.refusals.pop())
        self.sent.append(post.text)
        return "D1", f"{len(self.sent)}.0"

    async def end(self, number: int, event: str = "succeeded", state: State = State.SUCCEEDED) -> list[str]:
        """Let changes end, and return the messages about them."""
        before = len(self.sent)
        assert self.personal is not None
        for _ in range(number):
            self.count += 1
            topic = ChangeTopic(self.core.outbox, change(state, id=f"chg_{self.count:012}"), [])
            await self.personal.deliver(topic, event)
        return self.sent[before:]


@pytest.fixture
async def ends(database_url: str) -> AsyncIterator[Ends]:
    clock = FakeClock()
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": database_url, "SLACK_BOT_TOKEN": "xoxb-1"})
    async with (
        open_core(settings, front="cli", clock=clock, accounts=EVERYBODY) as core,
        aiohttp.ClientSession() as session,
    ):
        made = Ends(core, clock)
        made.personal = DirectMessenger(core, Membership(SlackClient(settings, session), clock), made.send)
        yield made


async def test_a_burst_of_ends_is_five_messages_and_a_word_of_the_rest(ends: Ends) -> None:
    """A large batch neither floods a person's messages nor takes the rate that the cards need."""
    message = await ends.end(40)
    assert len(message) == BURST + 1
    assert message[-1].startswith(MORE)
    assert not any(item.startswith(MORE) for item in message[:-1])


async def test_what_failed_is_told_one_by_one(ends: Ends) -> None:
    """However much else ended, each failure has a message of its own."""
    await ends.end(40)
    assert len(await ends.end(3, "failed", State.FAILED)) == 3
    assert await ends.end(1) == []


async def test_a_minute_later_ends_are_told_again(ends: Ends) -> None:
    """The bound is of a minute, also where ends keep coming."""
    await ends.end(BURST + 5)
    ends.clock.advance(BURST_SECONDS / 2)
    assert await ends.end(5) == []
    ends.clock.advance(BURST_SECONDS / 2 + 1)
    assert len(await ends.end(BURST + 5)) == BURST + 1


async def test_a_message_that_slack_refused_is_not_counted(ends: Ends) -> None:
    """The notice of the rest comes with the retry; without it the rest would go unmentioned."""
    await ends.end(BURST)
    ends.refusals.append("internal_error")
    with pytest.raises(SlackError):
        await ends.end(1)
    (message,) = await ends.end(1)
    assert message.startswith(MORE)
