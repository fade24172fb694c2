"""Logging: to stderr, for people or as JSON, with every secret taken out and nothing that forges a line."""

import json
import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO
from urllib.parse import quote, unquote, urlsplit

import structlog

from vpsops.core.common.redaction import Redactor, redact
from vpsops.core.common.text import is_hidden
from vpsops.core.config.settings import Settings

QUIET = ("httpx", "httpcore", "slack_bolt", "slack_sdk", "uvicorn.access", "alembic", "mcp", "aiohttp.access")
SHORTEST = 4  # a shorter secret would take the words out of every line and so reveal itself
LEAST_PATH = 12  # a shorter path of a web address is a word, not a secret
LONGEST = 4000
TRACES = frozenset({"exception", "stack"})
Event = MutableMapping[str, Any]


def configure_logging(settings: Settings, redactor: Redactor | None = None) -> None:
    """Send all logging to stderr in the format and from the level that the settings say.

    What a redactor hides stays out of it too. It may be called again: loggers are not kept.
    """
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    hide = _Hide((*secrets_of(settings), *(redactor.secrets if redactor else ())))
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        hide,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(default=repr, ensure_ascii=False)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    steps = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Formatter(hide, foreign_pre_chain=shared, processors=steps))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.getLogger("stamina").setLevel(max(level, logging.ERROR))  # the error after the last attempt says it all
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,  # a logger that is kept would keep the level of before a reload
    )


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Return every configured secret's text, longest first, for taking them out of what is shown."""
    values = (getattr(settings, name) for name in Settings.model_fields)
    secrets = [value.get_secret_value() for value in values if hasattr(value, "get_secret_value")]
    texts = [text for text in secrets if "://" not in text]
    for url in (settings.database_url, *(text for text in secrets if "://" in text)):
        texts += _secrets_in(url)
    parts = {part.strip() for text in texts for part in (text, *text.split(","))}  # old keys follow after a comma
    return tuple(sorted((part for part in parts if len(part) >= SHORTEST), key=len, reverse=True))


def _secrets_in(url: str) -> tuple[str, ...]:
    """Return what is secret in an address: the password, and behind a web address's host all of it."""
    try:
        parts = urlsplit(url)
        password = parts.password or ""
    except ValueError:  # no address at all, which storage says in words
        return ()
    behind = f"{parts.path}?{parts.query}".strip("/?") if parts.scheme in {"http", "https"} else ""
    return password, unquote(password), *((behind,) if len(behind) >= LEAST_PATH else ())


class _Hide:
    """Takes secrets out of texts, and keeps texts from outside within a line and within bounds."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        shapes = {shape for secret in secrets for shape in _shapes(secret)}
        self._secrets = tuple(sorted(shapes, key=len, reverse=True))

    def text(self, text: str) -> str:
        """Return a text without any secret, however it is quoted in it."""
        return redact(text, *self._secrets)

    def __call__(self, _logger: object, _name: str, event: Event) -> Event:
        for key, value in event.items():
            if isinstance(value, str):
                masked = self.text(value)
                event[key] = masked[-5 * LONGEST :] if key in TRACES else _line(masked)
        return event


def _line(text: str) -> str:
    masked = text[:LONGEST]
    if not (masked.isascii() and masked.isprintable()):
        masked = "".join(char.encode("unicode_escape").decode() if is_hidden(char) else char for char in masked)
    return masked if len(text) <= LONGEST else f"{masked}…"


def _shapes(secret: str) -> tuple[str, ...]:
    """Return a secret as texts, JSON, Python and addresses would hold it."""
    quoted = (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret))
    return secret, quote(secret, safe=""), *(shape[1:-1] for shape in quoted)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Hides again in the finished line: a value that is no text is one only there."""

    def __init__(self, hide: _Hide, **settings: Any) -> None:
        super().__init__(**settings)
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        return self._hide.text(super().format(record))


class _Handler(logging.StreamHandler[TextIO]):
    """Says where a line could not be written; the standard one would show its arguments."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        error = sys.exc_info()[0]
        name = error.__name__ if error else "unknown"
        with suppress(OSError, ValueError):  # a closed stream takes no output
            self.stream.write(f"a log line could not be written ({name}, {record.name}:{record.lineno})\n")
