"""Direct messages: to the requester when their change ends; to named approvers while they have not voted."""

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Final

import structlog
from cachetools import LRUCache

from vpsops.bot.blocks.elements import Post
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.messages.notices import change_notice, reminder
from vpsops.bot.notifications.change_topic import ChangeTopic
from vpsops.bot.notifications.destinations import DIRECT, ENDS, Place, asker_of, is_notified
from vpsops.bot.workspaces.membership import Membership, MembershipUnreadableError
from vpsops.core.app import Core
from vpsops.core.changes.model import OVERRIDDEN, Change
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.messaging.preferences import Preferences

GRAVE: Final = frozenset({"failed", "needs_person"})
"""Ends that are posted one by one, however many they are."""
REMINDED: Final = 50
"""Approvers of a kind that are reminded directly of one change."""
KNOWN: Final = 1000
BURST: Final = 5
BURST_SECONDS: Final = 60.0
MORE: Final = "More of your changes have ended."

logger = structlog.get_logger(__name__)
Send = Callable[[Place, Post, str], Awaitable[tuple[str, str]]]


class DirectMessenger:
    """One workspace's; what was sent is remembered among the change's copies, so that it is sent once."""

    def __init__(self, core: Core, membership: Membership, send: Send) -> None:
        self._core = core
        self._membership = membership
        self._send = send
        self._sent: LRUCache[str, deque[float]] = LRUCache(KNOWN)

    async def is_wanted(self, change: Change) -> bool:
        """Return whether the requester, or the human behind an agent, is in Slack and wants to be notified of ends."""
        who = asker_of(change)
        return bool(who) and (await self._preferences(change, who)).dm_settled

    async def deliver(
        self, topic: ChangeTopic, event: str, channel: str = "", subscribed: Collection[str] = ()
    ) -> None:
        """Message a requester that no other message of this news notifies: none in `channel`, which mentions them.

        `subscribed` are the channels that are sent the news as subscribers.
        """
        change = topic.change
        who = asker_of(change) if event in ENDS and await self.is_wanted(change) else ""
        if not who or is_notified(event, topic.copies, channel, subscribed):
            return
        notice = change_notice(change, event, self._core.clock.now())
        if event in GRAVE:
            await self._message(topic, who, event, notice)
            return
        sent = self._lately(who)
        if len(sent) > BURST:
            return
        at = self._core.clock.monotonic()
        sent.append(at)  # before it is sent: several topics are in hand at once
        try:
            if len(sent) <= BURST:
                await self._message(topic, who, event, notice)
            else:
                await self._message(topic, who, "more", note(MORE, "/vps changes mine lists them; so does App Home."))
        except BaseException:  # it comes again, and must not find itself counted
            with suppress(ValueError):  # a minute may have passed
                sent.remove(at)
            raise

    def _lately(self, who: str) -> deque[float]:
        """Return when a user was sent an end in the last minute: five ends, and once that there are more.

        A message a second is all that Slack takes for one person: a fleet's worth of them would hold up every card.
        """
        sent = self._sent.setdefault(who, deque())
        while sent and self._core.clock.monotonic() - sent[0] > BURST_SECONDS:
            sent.popleft()
        return sent

    async def remind(self, topic: ChangeTopic, named: Sequence[str], others: Sequence[str] = ()) -> None:
        """Remind the approvers that a rule names, and `others` that may vote and that no mention reaches."""
        for who in dict.fromkeys([*named[:REMINDED], *others[:REMINDED]]):
            preferences = await self._preferences(topic.change, who)
            if preferences.dm_reminders and (who in named or await self._is_member(who)):
                await self._message(topic, who, f"reminder:{who}"[:30], reminder(topic.change))

    async def call_reviewers(self, topic: ChangeTopic, event: str, people: Sequence[str], post: Post) -> None:
        """Message those who may review a run without approval and are reached in no channel.

        The first message comes whatever they chose; reminders only to those who want any.
        """
        for who in list(dict.fromkeys(people))[:REMINDED]:
            wanted = event == OVERRIDDEN or (await self._preferences(topic.change, who)).dm_reminders
            if wanted and await self._is_member(who):
                await self._message(topic, who, f"{event.removeprefix('review_')}:{who}"[:30], post)

    async def ask_owner(self, topic: ChangeTopic, event: str, post: Post) -> bool:
        """Ask the owner of a server about its end; return whether they are there: active, and a full member."""
        who = asker_of(topic.change)
        if not who or not await self._is_member(who):
            return False
        await self._message(topic, who, event[:30], post)
        return True

    async def _is_member(self, who: str) -> bool:
        """Return whether an account is a full member's: a group or channel may hold people of another company."""
        try:
            await self._membership.require_full_member(who)
        except NotAllowedError:
            return False
        return True

    async def _message(self, topic: ChangeTopic, who: str, event: str, post: Post) -> None:
        purpose = f"{DIRECT}{event}"
        if any(copy.purpose == purpose for copy in topic.copies):
            return
        channel, ts = await self._send(Place("", who), post, f"{topic.change.id}/{purpose}")
        if ts:  # one closed direct message holds up no other
            topic.note(purpose, channel, ts)

    async def _preferences(self, change: Change, who: str) -> Preferences:
        return await self._core.preferences.of(change.origin.team or await self._own_team(), who)

    async def _own_team(self) -> str:
        try:
            return (await self._membership.tenant()).team
        except MembershipUnreadableError as error:
            logger.info("workspace_id_unreadable", why=error.message)
            return ""
