"""What a subcommand writes to a terminal: bounded, in columns, free of control characters."""

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime

import anyio

from vpsops.core.common.clock import SystemClock
from vpsops.core.common.redaction import redact
from vpsops.core.common.text import one_line, whole_number
from vpsops.core.config.logging import configure_logging, secrets_of
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.storage import Database, open_database

UNKNOWN = "?"
UNSEEN = "\ufffd"
HIDDEN: ContextVar[tuple[str, ...]] = ContextVar("hidden", default=())


def print_line(text: str = "") -> None:
    """Write one line to standard output."""
    sys.stdout.write(f"{text}\n")


def when(seconds: float | None) -> str:
    """Return UTC seconds since 1970 as people read them; what is no time is a question mark."""
    try:
        return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError, TypeError):
        return UNKNOWN


def cell(value: object, limit: int = 60) -> str:
    """Return anything as text that fits into a line, without configured secrets and what steers a terminal."""
    return one_line(redact(str(value), *HIDDEN.get()), limit, UNSEEN)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with aligned columns; the last one is not padded."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, [*widths[:-1], 0], strict=True)).rstrip()
        for row in rows
    ]


def number(text: str, least: int = 0, most: int = 10**18) -> int:
    """Read a whole number within bounds, for argparse."""
    value = whole_number(text, least, most)
    if value is None:
        raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}")
    return value


def run_read(work: Callable[[Database], Awaitable[int]]) -> int:
    """Run `work` on the configured database, which is left as it is, and return its exit code.

    Needs no key, starts nothing. Raises `ConfigurationError` and `StorageError`.
    """
    settings = load_settings()
    configure_logging(settings)
    return anyio.run(_with_database, settings, work)


async def _with_database(settings: Settings, work: Callable[[Database], Awaitable[int]]) -> int:
    HIDDEN.set(secrets_of(settings))
    async with open_database(settings.database, SystemClock(), make=False) as database:
        return await work(database)
