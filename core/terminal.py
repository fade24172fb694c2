"""What a subcommand writes to a terminal: bounded, in columns, free of control characters."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import anyio

from core.clock import SystemClock
from core.logs import configure_logging, secrets_of
from core.settings import Settings, load_settings
from core.storage import Database, open_database
from core.wayscloud.redact import tidy

UNKNOWN = "?"
LINE = 400


def say(text: str = "") -> None:
    """Write one line to standard output."""
    sys.stdout.write(f"{text}\n")


def when(seconds: float | None) -> str:
    """Return UTC seconds since 1970 as people read them; what is no time is a question mark."""
    try:
        return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError, TypeError):
        return UNKNOWN


def cell(value: object, limit: int = 60) -> str:
    """Return anything as text that fits into a line."""
    return tidy(str(value), limit=limit)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose columns stand below each other; the last one is not padded."""
    widths = [max(len(one) for one in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, [*widths[:-1], 0], strict=True)).rstrip()
        for row in rows
    ]


def look(work: Callable[[Settings, Database], Awaitable[int]]) -> int:
    """Run `work` on the configured database, which is left as it is, and return its exit code.

    Needs no key, starts nothing. Raises `ConfigurationError` and `StorageError`.
    """
    settings = load_settings()
    configure_logging(settings)
    return anyio.run(_look, settings, work)


async def _look(settings: Settings, work: Callable[[Settings, Database], Awaitable[int]]) -> int:
    async with open_database(settings.database, SystemClock(), make=False) as database:
        return await work(settings, database)


def fitting(text: str, settings: Settings, limit: int = LINE) -> str:
    """Return a line without the configured secrets, at most `limit` long."""
    return tidy(text, *secrets_of(settings), limit=limit)
