"""What a check of `vpsops doctor` finds."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import VpsopsError
from vpsops.core.config.settings import Settings
from vpsops.core.console import exit_codes


class Level(StrEnum):
    """How bad it is: only a failure keeps a process from its work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """One line of a report: the subject, the result, what to do; `code` is the exit code of a failure."""

    level: Level
    area: str
    what: str
    todo: str = ""
    code: int = exit_codes.GOOD


Check = Callable[[Settings, Clock], Awaitable[Sequence[DoctorFinding]]]
"""Looks at one thing; the `VpsopsError` it raises is a failure, in the error's own words."""


def ok(area: str, what: str) -> DoctorFinding:
    """All is well."""
    return DoctorFinding(Level.OK, area, what)


def warn(area: str, what: str, todo: str) -> DoctorFinding:
    """It works, but not for long, or not for all."""
    return DoctorFinding(Level.WARN, area, what, todo)


def fail(area: str, what: str, todo: str, code: int = exit_codes.OTHER) -> DoctorFinding:
    """It does not work."""
    return DoctorFinding(Level.FAIL, area, what, todo, code)


def failed(area: str, error: VpsopsError) -> DoctorFinding:
    """An error, as a failure."""
    return fail(area, error.message, error.hint, exit_codes.exit_code(error))


def worst(findings: Sequence[DoctorFinding]) -> int:
    """Return the exit code of all: what must be put right first, in the order configuration, key, network, other."""
    codes = {finding.code for finding in findings if finding.level is Level.FAIL}
    order = (exit_codes.USAGE, exit_codes.NOT_AUTHENTICATED, exit_codes.UNREACHABLE, exit_codes.OTHER)
    return next((code for code in order if code in codes), exit_codes.GOOD)
