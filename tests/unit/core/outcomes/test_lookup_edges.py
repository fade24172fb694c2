"""Where patience ends, to the second, and what an uptime proves: figures and not the product's own constants."""

from datetime import timedelta

import pytest

from tests.fakes.clock import START
from tests.unit.core.sample import change, server, usage
from vpsops.core.changes.model import State
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.operations.registry import Observation, Progress
from vpsops.core.operations.servers import reboot_settled
from vpsops.core.outcomes.outcome import FleetSnapshot, OutcomeKind, age, determine_outcome
from vpsops.core.wayscloud.answers.models import Server

WATCHING, UNKNOWN = State.WATCHING, State.UNKNOWN


def snapshot(*servers: Server, complete: bool = True) -> FleetSnapshot:
    return FleetSnapshot(servers, complete, START)


@pytest.mark.parametrize(
    ("operation", "state", "seconds", "seen", "before", "after"),
    [
        ("stop", WATCHING, 300, [server()], "wait", "overdue"),
        ("create", WATCHING, 600, [server("provisioning")], "wait", "overdue"),
        ("stop", UNKNOWN, 180, [server()], "wait", "needs_server"),
        ("stop", UNKNOWN, 180, [], "wait", "needs_person"),
        ("create", UNKNOWN, 600, [], "wait", "failed"),
    ],
)
def test_patience_ends_after_its_last_second(
    operation: str, state: State, seconds: int, seen: list[Server], before: str, after: str
) -> None:
    """At the very second it is still waited; a moment later it is not."""
    result = {"id": "s1"}
    for extra, finding in ((0.0, before), (0.001, after)):
        sent = change(operation, state, seconds + extra, result=result)
        assert determine_outcome(sent, snapshot(*seen), None, DEFAULT_TIMING).finding.value == finding


@pytest.mark.parametrize(("seconds", "finding"), [(86_400, OutcomeKind.WAIT), (86_401, OutcomeKind.FAILED)])
def test_what_is_late_is_given_up_after_a_day(seconds: int, finding: OutcomeKind) -> None:
    """Until then it may still come."""
    late = change("stop", WATCHING, seconds, overdue=True)
    assert determine_outcome(late, snapshot(server()), None, DEFAULT_TIMING).finding is finding


@pytest.mark.parametrize(("older", "finding"), [(120, OutcomeKind.ADOPTED), (121, OutcomeKind.WAIT)])
def test_the_providers_clock_may_be_two_minutes_behind(older: int, finding: OutcomeKind) -> None:
    """A server that seems made shortly before its create was sent is its server; an older one is not."""
    sent = change("create", UNKNOWN, 10.0)
    made = (START - timedelta(seconds=10 + older)).isoformat()
    assert determine_outcome(sent, snapshot(server(created_at=made)), None, DEFAULT_TIMING).finding is finding


def test_a_server_of_unknown_age_counts_as_young() -> None:
    """Where the API returns no time, the name alone decides: no server had it when this was sent."""
    sent = change("create", UNKNOWN)
    assert determine_outcome(sent, snapshot(server()), None, DEFAULT_TIMING).finding is OutcomeKind.ADOPTED
    made = (START - timedelta(days=9)).isoformat()
    unsent = change("create", UNKNOWN, sent_at=None)
    assert (
        determine_outcome(unsent, snapshot(server(created_at=made)), None, DEFAULT_TIMING).finding
        is OutcomeKind.ADOPTED
    )


def test_a_change_without_a_time_of_sending_is_as_old_as_its_last_step() -> None:
    """An older version may have stored none."""
    assert age(change(sent_at=None, updated_at=START - timedelta(seconds=7)), START) == 7.0
    assert age(change(age=9.0, updated_at=START - timedelta(seconds=7)), START) == 9.0


@pytest.mark.parametrize(
    ("before", "now", "sent", "progress"),
    [
        (900, 899, 10, Progress.PENDING),  # two nodes may report figures that are seconds apart
        (900, 780, 10, Progress.PENDING),  # as old as a copy may be
        (900, 779, 10, Progress.SETTLED),  # older than any copy is
        (900, 25, 10, Progress.SETTLED),  # no older than the request, as nearly as clocks show
        (60, 25, 10, Progress.SETTLED),
        (60, 26, 10, Progress.PENDING),
        (35, 25, 10, Progress.PENDING),  # it fell by no more than two nodes are apart
        (36, 25, 10, Progress.SETTLED),
        (900, 900, 10, Progress.PENDING),  # the same count again is no proof: it may be the same reading
        (900, 901, 10, Progress.PENDING),
        (0, 0, 10, Progress.PENDING),
        (None, 9, 10, Progress.SETTLED),
        (None, 10, 10, Progress.PENDING),  # up since the very second of the sending: it may have been up before
        (None, 11, 10, Progress.PENDING),
    ],
)
def test_a_reboot_is_proved_by_what_a_reboot_alone_explains(
    before: int | None, now: int, sent: int, progress: Progress
) -> None:
    """Below the seconds since the sending, or a fall that no copy explains; without a reading before, strictly."""
    seen = Observation(server(), usage(now), before, START - timedelta(seconds=sent), START, was_away=False)
    assert reboot_settled(seen) is progress


@pytest.mark.parametrize(
    ("up", "finding"), [(299, OutcomeKind.SUCCEEDED), (301, OutcomeKind.OVERDUE), (302, OutcomeKind.OVERDUE)]
)
def test_a_late_reboot_is_told_by_an_uptime_younger_than_the_request(up: int, finding: OutcomeKind) -> None:
    """An uptime as old as the request, or older, proves nothing."""
    sent = change("reboot", WATCHING, 301, last_uptime=3)
    assert determine_outcome(sent, snapshot(server()), usage(up), DEFAULT_TIMING).finding is finding


def test_what_an_unclear_reboot_comes_to_with_any_reading_of_its_uptime() -> None:
    """Not read yet: read it, and the server where it has none. Not readable after a while: a person."""
    for uptime, seconds, finding in (
        (None, 10, OutcomeKind.NEEDS_USAGE),
        (usage(None), 10, OutcomeKind.NEEDS_SERVER),
        (usage(5000), 181, OutcomeKind.FAILED),
        (usage(181), 181, OutcomeKind.FAILED),
        (usage(180), 181, OutcomeKind.NEEDS_PERSON),
        (usage(154), 181, OutcomeKind.NEEDS_PERSON),
        (usage(153), 181, OutcomeKind.SUCCEEDED),
    ):
        sent = change("reboot", UNKNOWN, seconds, last_uptime=3)
        assert determine_outcome(sent, snapshot(server()), uptime, DEFAULT_TIMING).finding is finding, (uptime, seconds)
    for seconds, finding in ((180, OutcomeKind.WAIT), (181, OutcomeKind.NEEDS_PERSON)):
        sent, read = change("reboot", UNKNOWN, seconds, last_uptime=3), snapshot(server()).with_full(server())
        assert determine_outcome(sent, read, usage(None), DEFAULT_TIMING).finding is finding, seconds


def test_an_incomplete_list_proves_that_nothing_is_gone() -> None:
    """Neither a watched server nor one that an unclear create may have made counts as gone."""
    for state, operation in ((WATCHING, "stop"), (UNKNOWN, "create")):
        sent = change(operation, state, 119 if operation == "stop" else 9_000)
        outcome = determine_outcome(sent, snapshot(complete=False), None, DEFAULT_TIMING)
        assert outcome.finding is not OutcomeKind.FAILED
