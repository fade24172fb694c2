"""The logger handed to Bolt and the Slack SDK. Below WARNING they log whole payloads."""

import logging
from typing import Final

from slack_bolt.logger.messages import warning_client_prioritized_and_token_skipped

slack_logger: Final = logging.getLogger("vpsops.slack")
"""Bolt copies this logger's level, so it must be set before an app is built."""

slack_logger.setLevel(logging.WARNING)


def _is_not_token_warning(record: logging.LogRecord) -> bool:
    """Drop Bolt's warning about an unused token: `authorize` supplies the token per request."""
    return record.getMessage() != warning_client_prioritized_and_token_skipped()


slack_logger.addFilter(_is_not_token_warning)
