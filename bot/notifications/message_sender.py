"""Posts and edits messages at the pace that Slack allows; a channel that is closed leads to the one named instead."""

import structlog

from vpsops.bot.blocks.elements import Post
from vpsops.bot.notifications.destinations import Place
from vpsops.bot.notifications.digests import NO_THREAD
from vpsops.bot.slack_api.client import CHANNEL_CLOSED_CODES, RATE_LIMIT_CODES, SlackClient, SlackError
from vpsops.bot.slack_api.rate_limiter import MessageRateLimiter

logger = structlog.get_logger(__name__)


class MessageSender:
    """One workspace's; the pace and what was warned of are one process's."""

    def __init__(self, slack: SlackClient, rate_limiter: MessageRateLimiter, warned: set[str]) -> None:
        self._slack = slack
        self._rate_limiter = rate_limiter
        self._warned = warned

    async def post(self, place: Place, post: Post, name: str) -> tuple[str, str]:
        """Post to a place, or to the one it names instead; an empty timestamp means that both are closed.

        By its name a post that was not stored, because the process died in between, is found again.
        A thread that is gone raises: the caller knows what to do instead.
        """
        for channel, thread in ((place.channel, place.thread), (place.instead, "")):
            if not channel:
                continue
            try:
                async with self._rate_limiter.post_slot(channel):
                    return await self._slack.post(channel, post, thread, name, broadcast=place.broadcast)
            except SlackError as error:
                if error.code in RATE_LIMIT_CODES:
                    self._rate_limiter.pause_channel(channel, error.retry_after or 1.0)
                if error.code not in CHANNEL_CLOSED_CODES or (thread and error.code in NO_THREAD):
                    raise
                self._warn_once(channel, error.code)
        return "", ""

    async def reply(self, place: Place, notice: Post, name: str) -> tuple[str, str]:
        """Post in a card's thread, or in its channel if the card was deleted."""
        try:
            return await self.post(place, notice, name)
        except SlackError as error:
            if not place.thread or error.code not in NO_THREAD:
                raise
        return await self.post(Place(place.purpose, place.channel, instead=place.instead), notice, name)

    async def permalink(self, channel: str, ts: str) -> str:
        """Return a message's address, or "" where Slack does not return it."""
        return await self._slack.permalink(channel, ts)

    async def edit(self, channel: str, ts: str, post: Post) -> None:
        """Edit a message of ours; raises `SlackError`."""
        await self._rate_limiter.wait_for_edit()
        try:
            await self._slack.update(channel, ts, post)
        except SlackError as error:
            if error.code in RATE_LIMIT_CODES:
                self._rate_limiter.pause_edits(error.retry_after or 1.0)
            raise

    def _warn_once(self, channel: str, code: str) -> None:
        if channel not in self._warned:
            self._warned.add(channel)
            hint = "invite the app to the channel, or set another one"
            logger.warning("channel_closed", channel=channel, code=code, hint=hint)
