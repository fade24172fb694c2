"""Whether Slack takes the bot's token now: asked every half a minute, and more often while it does not.

A post that fails shows a token that went wrong only when there is something to post, and never of one that is
right again: its messages would wait for their next try.
"""

from dataclasses import dataclass
from typing import Final

import structlog

from vpsops.bot.slack_api.client import NO_OPEN_CHANNEL, TOKEN_CODES, SlackClient, SlackError
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.messaging.outbox import Outbox

CHECK_SECONDS: Final = timings.TOKEN_CHECK_SECONDS
REFUSED_SECONDS: Final = timings.TOKEN_REFUSED_SECONDS
TASK: Final = "slack_token"
RETRY_SECONDS: Final = timings.MESSAGE_RETRY_SECONDS
STOPPED_SECONDS: Final = timings.STOPPED_SECONDS
"""A message that the one token could not send: the check of the token releases it as soon as that is right again."""
SEVERAL_STOPPED_SECONDS: Final = timings.SEVERAL_STOPPED_SECONDS
"""The same for one of several workspaces: their tokens are not checked."""
CLOSED_SECONDS: Final = timings.CLOSED_SECONDS
"""How often a post is tried again to a channel that the app was not in."""

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class DeliveryHealth:
    """Whether messages get out; `why` is Slack's word if they do not."""

    why: str = ""

    def failed(self, error: SlackError, attempts: int, *, several: bool) -> float:
        """Note a message that was not delivered, and return the seconds to its next try.

        With `several` workspaces the token of one says nothing about the others.
        """
        after = error.retry_after or RETRY_SECONDS[min(max(attempts - 1, 0), len(RETRY_SECONDS) - 1)]
        if error.code == NO_OPEN_CHANNEL:
            return CLOSED_SECONDS
        if error.code not in TOKEN_CODES:
            logger.warning("message_not_delivered", error=str(error), again_in=after)
            return after
        if self.why != error.code:
            logger.error("token_refused", code=error.code, hint="Messages are kept. Check SLACK_BOT_TOKEN.")
        self.why = "" if several else error.code
        return SEVERAL_STOPPED_SECONDS if several else STOPPED_SECONDS

    def recovered(self) -> None:
        """Note a message that was delivered."""
        if self.why:
            logger.warning("messages_delivered_again")
            self.why = ""


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """Keeps the health of the one token of `SLACK_BOT_TOKEN`; messages that it held up go out once it is right."""

    slack: SlackClient
    outbox: Outbox
    clock: Clock
    health: DeliveryHealth

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.clock.sleep(REFUSED_SECONDS if self.health.why else CHECK_SECONDS)
            await self.check()

    async def check(self) -> None:
        """Ask Slack once who we are; where it cannot be reached nothing follows."""
        try:
            await self.slack.get("auth.test", {})
        except SlackError as error:
            if error.code in TOKEN_CODES and self.health.why != error.code:
                logger.error("slack_token_refused", code=error.code, hint="Check SLACK_BOT_TOKEN.")
                self.health.why = error.code
            return
        if not self.health.why:
            return
        try:
            released = await self.outbox.release(tuple(TOKEN_CODES))
        except StorageError as error:
            logger.error("messages_not_released", error=error.message, error_id=error.error_id)
            return
        logger.warning("slack_token_accepted_again", messages=released)
        self.health.why = ""
