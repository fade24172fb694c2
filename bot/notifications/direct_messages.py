"""Direct messages: to the requester when their change ends; to named approvers while they have not voted."""

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog
from cachetools import LRUCache

from vpsops.bot.blocks.elements import Post
from vpsops.bot.blocks.text import is_user_id
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.messages.notices import change_notice, reminder
from vpsops.bot.notifications.change_topic import ChangeTopic
from vpsops.bot.notifications.destinations import Place, asker_of
from vpsops.bot.workspaces.membership import Membership, MembershipUnreadableError
from vpsops.core.app import Core
from vpsops.core.changes.model import Change
from vpsops.core.messaging.preferences import Preferences

ENDED: Final = frozenset({"succeeded", "failed", "needs_person", "denied", "expired", "superseded", "cancelled"})
GRAVE: Final = frozenset({"failed", "needs_person"})
"""Ends that are posted one by one, however many they are."""
REMINDED: Final = 10
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

    async def deliver(self, topic: ChangeTopic, event: str) -> None:
        """Message the requester, or the human behind an agent, unless the card is in their direct messages already."""
        change = topic.change
        who = asker_of(change) if event in ENDED else ""
        if not who or any(card.channel.startswith("D") for card in topic.cards):
            return
        if not (await self._preferences(change, who)).dm_settled:
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

    async def remind(self, topic: ChangeTopic) -> None:
        """Remind the approvers that a rule names and that have not voted."""
        change = topic.change
        voted = {identity for vote in change.votes for identity in vote.voter.identities} | change.actor.humans
        rules = change.ruling.requirements or (change.ruling.approvers,)
        named = dict.fromkeys(person.upper() for rule in rules for person in rule.people)
        missing = [person for person in named if is_user_id(person) and person.lower() not in voted]
        for who in missing[:REMINDED]:
            if (await self._preferences(change, who)).dm_reminders:
                await self._message(topic, who, f"reminder:{who}"[:30], reminder(change))

    async def _message(self, topic: ChangeTopic, who: str, event: str, post: Post) -> None:
        purpose = f"told:dm:{event}"
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
