"""The exit codes of every subcommand, which error stands for which, and how an error ends one: in one line."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final

import structlog

from vpsops.core.common.errors import (
    ConfigurationError,
    InvalidInputError,
    NotSignedInError,
    PreconditionError,
    UnchangedError,
    VpsopsError,
)
from vpsops.core.common.redaction import tidy
from vpsops.core.wayscloud.answers import errors as provider

logger = structlog.get_logger(__name__)
GOOD: Final = 0
OTHER: Final = 1
USAGE: Final = 2
NOT_AUTHENTICATED: Final = 3
UNREACHABLE: Final = 4
HELD: Final = 5  # a change waits for people, or is not finished yet
REFUSED: Final = 6  # by policy, a limit, a person or an unmet precondition; nothing was done
FAILED: Final = 7  # the change failed
UNCLEAR: Final = 8  # the change was sent, and a person has to check what became of it
INTERRUPTED: Final = 130  # by Ctrl-C or SIGTERM; the change stays as it is
LONGEST: Final = 1000


def exit_code(error: BaseException) -> int:
    """Return the exit code that an error stands for."""
    if isinstance(error, PreconditionError | UnchangedError):
        return REFUSED
    if isinstance(error, ConfigurationError | InvalidInputError):
        return USAGE
    if isinstance(error, provider.NotAuthenticatedError | provider.NotPermittedError | NotSignedInError):
        return NOT_AUTHENTICATED
    if isinstance(error, provider.UnreachableError | provider.ProviderFaultError):
        return UNREACHABLE
    return OTHER


def guarded(call: Callable[[], int], report: Callable[[str], None] | None = None) -> int:
    """Run a subcommand; an error ends it with one line on standard error, and never with a traceback.

    `report` is called with the same text.
    """
    with suppress(AttributeError):  # a stream that a test put there
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # what AttributeError is for
    try:
        code = call()
        sys.stdout.flush()
    except (BrokenPipeError, KeyboardInterrupt):  # the reader of the output has gone
        code = OTHER
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - the last place that can report it
        code = complain(error, report)
    _flush()
    return code


def complain(error: BaseException, report: Callable[[str], None] | None = None) -> int:
    """Print an error in one line and return its exit code; an unexpected error is logged with its place."""
    leaves = list(_leaves(error))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves) or _has_no_reader(leaves):
        return OTHER
    known = next((leaf for leaf in leaves if isinstance(leaf, VpsopsError)), None)
    reported = known or VpsopsError(
        f"Something unexpected went wrong ({type(leaves[0]).__name__}).",
        hint="This is a fault of vpsops; report it. VPSOPS_LOG_LEVEL=debug shows more.",
    )
    if known is None:
        logger.error("unexpected_error", error_id=reported.error_id, where=_where(leaves[0].__traceback__))
        logger.debug("unexpected_error_traceback", error_id=reported.error_id, exc_info=error)
    text = f"{reported.message} {reported.hint_with('`vpsops {}`')}".strip()
    words = f"{tidy(text, limit=LONGEST)}{f' [{reported.shown_id}]' if reported.shown_id else ''}"
    if report is not None:
        report(words)
    sys.stderr.write(f"vpsops: {words}\n")
    return exit_code(reported)


def _has_no_reader(leaves: Sequence[BaseException]) -> bool:
    """Return whether the reader of the output has gone, as `head` does: the end of a command, and no fault of ours."""
    return all(isinstance(leaf, BrokenPipeError) for leaf in leaves)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors of a group, or the one error."""
    if isinstance(error, BaseExceptionGroup):
        for exception in error.exceptions:
            yield from _leaves(exception)
    else:
        yield error


def _where(trace: TracebackType | None) -> str:
    """Name module and line of the innermost frame."""
    if trace is None:
        return "unknown"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"


def _flush() -> None:
    """Write what is still buffered; what cannot be written goes nowhere, or the interpreter would complain of it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError), open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
