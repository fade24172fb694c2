"""Direct messages: to the person who asked, when it ended; to those a rule names, while their vote is missing."""

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
from vpsops.bot.notifications.destinations import Place, asker_of
from vpsops.bot.slack_api.client import SlackClient, SlackError
from vpsops.core.app import Core
from vpsops.core.changes.model import Change
from vpsops.core.messaging.outbox import topic_of
from vpsops.core.messaging.preferences import Preferences, preferences_of

ENDED: Final = frozenset({"succeeded", "failed", "needs_person", "denied", "expired", "superseded", "cancelled"})
GRAVE: Final = frozenset({"failed", "needs_person"})
"""Ends that are told one by one, however many there are."""
REMINDED: Final = 10
KNOWN: Final = 1000
BURST: Final = 5
BURST_SECONDS: Final = 60.0
MORE: Final = "More of your changes have ended."

log = structlog.get_logger(__name__)
Send = Callable[[Place, Post, str], Awaitable[tuple[str, str]]]


class DirectMessenger:
    """One process's; what was sent is remembered among the change's copies, so that nobody hears it twice."""

    def __init__(self, core: Core, slack: SlackClient, send: Send) -> None:
        self._core = core
        self._slack = slack
        self._send = send
        self._team = ""
        self._told: LRUCache[str, deque[float]] = LRUCache(KNOWN)

    async def tell(self, change: Change, event: str) -> None:
        """Tell the person who asked, or for whom an agent did, unless they see the card in a direct message."""
        if event not in ENDED:
            return
        who = asker_of(change)
        if not who or not (await self._wishes(change, who)).dm_settled:
            return
        copies = await self._core.outbox.copies(topic_of(change.id))
        if any(one.channel.startswith("D") and not one.purpose.startswith("told:") for one in copies):
            return
        notice = change_notice(change, event, self._core.clock.now())
        if event in GRAVE:
            await self._message(change, who, event, notice)
            return
        told = self._lately(who)
        if len(told) > BURST:
            return
        at = self._core.clock.monotonic()
        told.append(at)  # before it is sent: several topics are in hand at once
        try:
            if len(told) <= BURST:
                await self._message(change, who, event, notice)
            else:
                await self._message(change, who, "more", note(MORE, "/vps changes mine lists them; so does App Home."))
        except BaseException:  # it comes again, and must not find itself counted
            with suppress(ValueError):  # a minute may have passed
                told.remove(at)
            raise

    def _lately(self, who: str) -> deque[float]:
        """Return when somebody was told of an end in the last minute: five ends, and once that there are more.

        A message a second is all that Slack takes for one person: a fleet's worth of them would hold up every card.
        """
        told = self._told.setdefault(who, deque())
        while told and self._core.clock.monotonic() - told[0] > BURST_SECONDS:
            told.popleft()
        return told

    async def remind(self, change: Change) -> None:
        """Remind the people whom a rule names as approvers and who have not voted."""
        voted = {one for vote in change.votes for one in vote.voter.identities} | change.actor.humans
        rules = change.ruling.requirements or (change.ruling.approvers,)
        named = dict.fromkeys(one.upper() for rule in rules for one in rule.people)
        missing = [one for one in named if is_user_id(one) and one.lower() not in voted]
        for who in missing[:REMINDED]:
            if (await self._wishes(change, who)).dm_reminders:
                await self._message(change, who, f"reminder:{who}"[:30], reminder(change))

    async def _message(self, change: Change, who: str, event: str, post: Post) -> None:
        topic, purpose = topic_of(change.id), f"told:dm:{event}"
        if any(one.purpose == purpose for one in await self._core.outbox.copies(topic)):
            return
        channel, ts = await self._send(Place("", who), post, f"{change.id}/{purpose}")
        if ts:  # a person who cannot be written to keeps nobody else from being told
            await self._core.outbox.remember(topic, purpose, channel, ts)

    async def _wishes(self, change: Change, who: str) -> Preferences:
        return await preferences_of(self._core.database, change.origin.team or await self._own_team(), who)

    async def _own_team(self) -> str:
        if not self._team:
            try:
                self._team = str((await self._slack.get("auth.test", {})).get("team_id", ""))
            except SlackError as error:
                log.info("the workspace's id cannot be read", code=error.code)
        return self._team
