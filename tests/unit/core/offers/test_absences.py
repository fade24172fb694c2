"""What absent routes mean for operations: where they are refused, and when they leave the lists."""

from datetime import timedelta

import pytest

from tests.fakes.clock import FakeClock
from vpsops.core.common.timings import OFFER_SECONDS
from vpsops.core.offers.absences import Absences, AbsentRoute, in_force, is_about_route, refusal_text
from vpsops.core.operations import OPERATIONS
from vpsops.core.wayscloud.answers.errors import ConflictError, NotFoundError, NotOfferedError

NOW = FakeClock().now().timestamp()
ROLLBACK = OPERATIONS["snapshot_rollback"]
BASE = frozenset({"list", "get", "status", "create", "start", "stop", "reboot", "plans", "os_templates"})
"""Without these there is no VPS to speak of: they are asked for each time."""


def absent(route: str, region: str, *regions: str, at: float = NOW) -> AbsentRoute:
    return AbsentRoute(route, region, 501, at, regions or (region,))


def not_offered(route: str, *, certain: bool = True, again: bool = False) -> NotOfferedError:
    error = NotOfferedError("The API does not offer it.", status=405, operation=route)
    error.certain, error.again = certain, again
    return error


def test_every_operation_that_an_api_may_lack_names_its_routes() -> None:
    """All but the base ones: what is not named cannot be remembered."""
    named = {name for name, operation in OPERATIONS.items() if operation.routes}
    assert named == set(OPERATIONS) - BASE


def test_an_operation_leaves_the_lists_where_no_region_offers_it() -> None:
    """One region that was never asked may offer it."""
    in_one = Absences((absent("rollback_snapshot", "NO", "NO", "SE"),))
    in_both = Absences((*in_one.routes, absent("rollback_snapshot", "SE", "NO", "SE")))
    assert in_one.everywhere(ROLLBACK) is None
    assert in_both.everywhere(ROLLBACK) is not None
    assert in_one.at(ROLLBACK, "NO") is not None
    assert in_one.at(ROLLBACK, "SE") is None
    assert Absences((absent("rollback_snapshot", "NO", "NO", ""),)).everywhere(ROLLBACK) is None
    assert Absences((absent("rollback_snapshot", "NO"),)).everywhere(OPERATIONS["snapshots"]) is None


def test_an_operation_needs_what_it_reads_first() -> None:
    """Without the list of snapshots none can be rolled back to; where that list was read, only its own route counts."""
    absences = Absences((absent("list_snapshots", "NO"),))
    assert {name for name, operation in OPERATIONS.items() if absences.everywhere(operation)} == {
        "snapshots",
        "snapshot_create",
        "snapshot_delete",
        "snapshot_rollback",
    }
    assert absences.own(ROLLBACK, "NO") is None
    assert absences.own(OPERATIONS["snapshots"], "NO") is not None


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        (not_offered("rollback_snapshot"), True),
        (not_offered("list_snapshots"), True),
        (not_offered("delete_server"), False),
        (not_offered("rollback_snapshot", certain=False), False),
        (not_offered("rollback_snapshot", again=True), False),
        (NotFoundError("No such server.", status=404, operation="rollback_snapshot"), False),
        (ConflictError("Busy.", status=409, operation="rollback_snapshot"), False),
        (ValueError("rollback_snapshot"), False),
    ],
)
def test_only_the_absence_of_a_route_is_learned(error: Exception, *, meant: bool) -> None:
    """Not a 404 about a server, and not a slash form while the other is still to be tried."""
    assert is_about_route(error, ROLLBACK) is meant


@pytest.mark.parametrize(
    ("age", "counts"),
    [
        (0.0, True),
        (OFFER_SECONDS - 1, True),
        (OFFER_SECONDS, False),
        (1 - OFFER_SECONDS, True),
        (-OFFER_SECONDS, False),
    ],
)
def test_an_absence_ages(age: float, *, counts: bool) -> None:
    """After a day the API is asked again; a date that was set back keeps nothing for ever."""
    assert bool(in_force([absent("rollback_snapshot", "NO", at=NOW - age)], NOW).routes) is counts


def test_a_refusal_says_what_where_since_when_and_until_when() -> None:
    """The route in words, its region, the code, and the time of the next try."""
    reason, hint = refusal_text(ROLLBACK, absent("rollback_snapshot", "NO"))
    tomorrow = FakeClock().now() + timedelta(days=1)
    assert reason.startswith("The API does not offer to roll the server back in NO (501, since ")
    assert reason.endswith("Nothing was sent.")
    named, _ = refusal_text(ROLLBACK, absent("rollback_snapshot", "NO"), "Oslo, Norway")
    assert " in Oslo, Norway (NO) (501, since " in named
    assert f"{tomorrow:%Y-%m-%d %H:%M} UTC" in hint
