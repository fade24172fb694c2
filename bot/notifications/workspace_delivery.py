"""What delivers messages in one workspace, with that one's token."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from cachetools import LRUCache

from vpsops.bot.notifications.card_sync import CardSync, DrawnCards
from vpsops.bot.notifications.change_topic import ChangeTopic
from vpsops.bot.notifications.destinations import ApprovalMentions, Place
from vpsops.bot.notifications.digests import DigestSender, Failed
from vpsops.bot.notifications.direct_messages import DirectMessenger
from vpsops.bot.notifications.message_sender import MessageSender
from vpsops.bot.notifications.notices import NoticeSender
from vpsops.bot.slack_api.client import CHANNEL_CLOSED_CODES, MESSAGE_GONE_CODES, SlackError
from vpsops.bot.slack_api.rate_limiter import MessageRateLimiter
from vpsops.bot.views.grant_blocks import grant_post
from vpsops.bot.workspaces.approver_directory import ApproverDirectory
from vpsops.bot.workspaces.registry import WorkspaceSession
from vpsops.core.app import Core
from vpsops.core.grants.model import Grant, GrantState
from vpsops.core.grants.topics import topic_of
from vpsops.core.messaging.outbox import ChannelNews, OutboxMessage
from vpsops.core.outcomes.typical_durations import TypicalDurations

DRAWN_KEPT: Final = 2000
GRANT: Final = "grant"
"""The purpose of the lines of grants; stored."""


@dataclass(frozen=True, slots=True)
class SharedState:
    """What the deliveries of all workspaces in one process share."""

    rate_limiter: MessageRateLimiter
    usual: TypicalDurations
    drawn: DrawnCards = field(default_factory=lambda: LRUCache(DRAWN_KEPT))
    warned: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, core: Core) -> Self:
        """Return a process's state before its first message."""
        return cls(MessageRateLimiter(core.clock), core.changes.typical_durations())


class WorkspaceDelivery:
    """Cards, notices and digests of one workspace."""

    def __init__(self, session: WorkspaceSession, shared: SharedState, failed: Failed) -> None:
        core = session.core
        sender = MessageSender(session.slack, shared.rate_limiter, shared.warned)
        direct = DirectMessenger(core, session.membership, sender.post)
        directory = ApproverDirectory(session.slack, session.membership, core.clock)
        self.session = session
        self.digests = DigestSender(core, sender.post, failed)
        mentions = ApprovalMentions(core, directory, self.digests.subscribers)
        self.cards = CardSync(core, sender, mentions, shared.drawn, shared.usual)
        self.notices = NoticeSender(core, sender, self.cards, mentions, direct)
        self._sender = sender

    async def deliver(self, topic: ChangeTopic, message: OutboxMessage, *, again: bool) -> Sequence[ChannelNews]:
        """Bring a change's cards to its state or send a notice; return what subscribers are to be sent of it."""
        if message.kind == "card":
            await self.cards.sync(topic, again=again)
            return ()
        return await self.notices.notify(topic, str(message.payload.get("event", "")))

    async def show_grant(self, grant: Grant) -> None:
        """Bring the line of a grant in the approval channel to its state; one that ended unseen is not posted."""
        core, name = self.session.core, topic_of(grant.id)
        post, copies = grant_post(grant, core.clock.now()), await core.outbox.copies(name)
        for copy in copies:
            try:
                await self._sender.edit(copy.channel, copy.ts, post)
            except SlackError as error:
                if error.code not in MESSAGE_GONE_CODES | CHANNEL_CLOSED_CODES:
                    raise
                await core.outbox.forget(name, copy.channel, copy.ts)
        channel = core.settings.approval_channel or core.settings.channel
        if channel and not copies and grant.state in {GrantState.OPEN, GrantState.USED_UP}:
            where, ts = await self._sender.post(Place(GRANT, channel), post, name)
            if ts:
                await core.outbox.remember(name, GRANT, where, ts)
