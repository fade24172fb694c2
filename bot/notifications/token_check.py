"""Whether Slack takes the bot's token now: asked every half a minute, and more often while it does not.

A post that fails tells of a token that went wrong only when there is something to post, and never of one that is
right again: its messages would wait for their next try.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from vpsops.bot.slack_api.client import TOKEN_CODES, SlackClient, SlackError
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.messaging.outbox import Outbox

if TYPE_CHECKING:
    from vpsops.bot.notifications.outbox_worker import DeliveryHealth

CHECK_SECONDS: Final = timings.TOKEN_CHECK_SECONDS
REFUSED_SECONDS: Final = timings.TOKEN_REFUSED_SECONDS
TASK: Final = "slack_token"

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """Keeps the health of the one token of `SLACK_BOT_TOKEN`; messages that it held up go out once it is right."""

    slack: SlackClient
    outbox: Outbox
    clock: Clock
    health: "DeliveryHealth"

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
