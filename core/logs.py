"""Logging: to stderr, for people or as JSON, with every secret taken out."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from core.settings import Settings
from core.wayscloud.redact import redact

QUIET = ("httpx", "httpcore", "slack_bolt", "slack_sdk", "uvicorn.access", "alembic", "mcp", "aiohttp.access")
Event = MutableMapping[str, Any]


def configure_logging(settings: Settings) -> None:
    """Send all logging to stderr in the format and from the level that the settings say."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _Redactor(secrets_of(settings)),
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Return every configured secret's text, for taking them out of what is shown."""
    values = (getattr(settings, name) for name in Settings.model_fields)
    return tuple(value.get_secret_value() for value in values if hasattr(value, "get_secret_value"))


class _Redactor:
    """Takes secrets out of every text of a log event."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets

    def __call__(self, _logger: object, _name: str, event: Event) -> Event:
        for key, value in event.items():
            if isinstance(value, str):
                event[key] = redact(value, *self._secrets)
        return event
