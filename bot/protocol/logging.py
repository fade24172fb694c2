"""The logger that Bolt and the SDK get: they print whole bodies when they are talkative, so they are not."""

import logging
from typing import Final

from slack_bolt.logger.messages import warning_client_prioritized_and_token_skipped

slack_logger: Final = logging.getLogger("vpsops.slack")
"""Bolt copies the level of the logger it is given, so it is set here, before any app is built."""

slack_logger.setLevel(logging.WARNING)


def _is_not_token_warning(record: logging.LogRecord) -> bool:
    """Bolt takes a token from the environment as well and says that it is not used: ours is handed out by request."""
    return record.getMessage() != warning_client_prioritized_and_token_skipped()


slack_logger.addFilter(_is_not_token_warning)
