"""Routes that the API did not offer when an operation needed them, and what follows for operations (pure).

The knowledge ages: after `OFFER_SECONDS` the API is asked again, so that one that gains a route is noticed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from vpsops.core.common.text import moment
from vpsops.core.common.timings import OFFER_SECONDS
from vpsops.core.operations import Operation
from vpsops.core.wayscloud.answers.errors import NotFoundError, NotOfferedError
from vpsops.core.wayscloud.answers.regions import region_text

UNKNOWN_REGION: Final = ""
"""The region of servers whose region the API does not report, and of routes that are about no server."""


@dataclass(frozen=True, slots=True)
class AbsentRoute:
    """One absent route in one region; `account_regions` are those of all servers when it was learned.

    `learned_at` is in UTC seconds, `status` the HTTP code of the answer.
    """

    route: str
    region: str
    status: int
    learned_at: float
    account_regions: tuple[str, ...] = (UNKNOWN_REGION,)

    def is_in_force(self, now: float) -> bool:
        """Return whether it counts: neither aged, nor from long after `now`, before a date was set."""
        return abs(now - self.learned_at) < OFFER_SECONDS

    def place(self, region_name: str = "") -> str:
        """Return the region in words, to follow a name; empty where it is about no region."""
        return f" in {region_text(self.region, region_name)}" if self.region else ""

    @property
    def since(self) -> str:
        """The time of learning, as text."""
        return moment(datetime.fromtimestamp(self.learned_at, UTC))

    @property
    def until(self) -> str:
        """The time from which the API is asked again, as text."""
        return moment(datetime.fromtimestamp(self.learned_at + OFFER_SECONDS, UTC))


@dataclass(frozen=True, slots=True)
class Absences:
    """The absent routes in force."""

    routes: tuple[AbsentRoute, ...] = ()

    def of(self, operation: Operation) -> tuple[AbsentRoute, ...]:
        """Return what is absent of the routes that an operation needs, in any region."""
        needed = {route.name for route in operation.routes}
        return tuple(absent for absent in self.routes if absent.route in needed)

    def at(self, operation: Operation, region: str) -> AbsentRoute | None:
        """Return why an operation is not offered in a region, or None."""
        return next((absent for absent in self.of(operation) if absent.region == region), None)

    def own(self, operation: Operation, region: str) -> AbsentRoute | None:
        """Return the absence of an operation's own route in a region, or None; what it reads besides was served."""
        own = {route.name for route in operation.routes[:1]}
        return next((row for row in self.of(operation) if row.region == region and row.route in own), None)

    def everywhere(self, operation: Operation) -> AbsentRoute | None:
        """Return why an operation is not offered in any region of the account's servers, or None.

        A region in which the route was never asked for counts as one that may offer it.
        """
        absent = self.of(operation)
        for route in dict.fromkeys(row.route for row in absent):
            rows = [row for row in absent if row.route == route]
            newest = max(rows, key=lambda row: row.learned_at)
            if {row.region for row in rows} >= {*newest.account_regions, newest.region}:
                return newest
        return None


def is_about_route(error: Exception, operation: Operation) -> bool:
    """Return whether an error shows that the API lacks a route of an operation, and nothing else.

    A 404 that may be about a server, or another thing that was named, does not; nor does a slash form that is not
    served while the other one is still to be tried.
    """
    if not isinstance(error, NotOfferedError):
        return False
    return error.certain and not error.again and error.operation in {route.name for route in operation.routes}


def is_absent_if_named_exists(error: Exception, operation: Operation) -> bool:
    """Return whether a refused write shows that the API lacks an operation's own route, if all that it named is there.

    One form of its path was answered with 404, and the other one with 404 or 405. A route that names a part of a
    server shows nothing so: whether the part is there may not be known.
    """
    own = next((route for route in operation.routes[:1] if "{part}" not in route.path), None)
    return isinstance(error, NotFoundError) and error.in_no_form and own is not None and error.operation == own.name


def in_force(rows: Iterable[AbsentRoute], now: float) -> Absences:
    """Return those of some absences that count now."""
    return Absences(tuple(row for row in rows if row.is_in_force(now)))


def refusal_text(operation: Operation, absent: AbsentRoute, region_name: str = "") -> tuple[str, str]:
    """Return the refusal of an operation that is not offered, with the name of its region, and what to do."""
    doing = next((route.doing for route in operation.routes if route.name == absent.route), operation.word)
    place = absent.place(region_name)
    return (
        f"The API does not offer to {doing}{place} ({absent.status}, since {absent.since}). Nothing was sent.",
        f"Do without it, or ask the provider. From {absent.until} on the API is asked again.",
    )
