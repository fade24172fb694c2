"""What a check means, for any list, age and usage: every finding is a legal step, and every unclear outcome ends."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import START
from tests.fakes.timing import QUICK
from tests.unit.core.sample import change, server, usage
from vpsops.core.changes.model import STEPS, Change, State
from vpsops.core.common.timings import DEFAULT_TIMING, Timing
from vpsops.core.outcomes.outcome import FleetSnapshot, OutcomeKind, determine_outcome
from vpsops.core.wayscloud.answers.models import Server, Usage

HOST = "web01.example.com"
WORDS = ("running", "active", "stopped", "stopping", "starting", "provisioning", "error", "terminated", "hibernating")
STATE_OF = {
    OutcomeKind.SUCCEEDED: State.SUCCEEDED,
    OutcomeKind.FAILED: State.FAILED,
    OutcomeKind.ADOPTED: State.WATCHING,
    OutcomeKind.NEEDS_PERSON: State.NEEDS_PERSON,
    OutcomeKind.SEND_AGAIN: State.APPROVED,
}
STAYS = {OutcomeKind.WAIT, OutcomeKind.NEEDS_SERVER, OutcomeKind.NEEDS_USAGE, OutcomeKind.OVERDUE}

servers = st.builds(
    server,
    st.sampled_from(WORDS),
    st.sampled_from(["s1", "s2", "s3"]),
    st.sampled_from([HOST, HOST.upper(), "other.example.com"]),
    power_state=st.sampled_from([None, "on", "off"]),
    created_at=st.sampled_from([None, *((START - timedelta(seconds=n)).isoformat() for n in (-60, 5, 900, 9e6))]),
)
changes = st.builds(
    change,
    st.sampled_from(["create", "start", "stop", "reboot"]),
    st.sampled_from([State.WATCHING, State.UNKNOWN]),
    st.floats(-7200, 2e5),
    overdue=st.booleans(),
    last_uptime=st.sampled_from([None, 3, 86400]),
    result=st.sampled_from([{}, {"id": "s1"}, {"refusal": {"message": "No.", "again": True}}]),
)
snapshots = st.builds(
    FleetSnapshot,
    st.lists(servers, max_size=4, unique_by=lambda entry: entry.id),
    st.booleans(),
    st.just(START),
    st.sampled_from([frozenset(), frozenset({"chg_1"})]),
)
usages = st.one_of(st.none(), st.builds(usage, st.sampled_from([None, 0, 2, 200, 86401])))
timings = st.sampled_from([DEFAULT_TIMING, QUICK])


@given(changes, snapshots, usages, timings)
def test_every_finding_is_a_step_of_the_table(
    what: Change, snapshot: FleetSnapshot, used: Usage | None, timing: Timing
) -> None:
    """Any observation means to stay or to take an existing step, and no person is notified late twice."""
    finding = determine_outcome(what, snapshot, used, timing).finding
    assert finding in STAYS or STATE_OF[finding] in STEPS[what.state]
    assert finding is not OutcomeKind.OVERDUE or (what.state is State.WATCHING and not what.overdue)


@given(changes, snapshots, usages)
@pytest.mark.requirement("settled-is-seen")
def test_success_is_seen_and_never_concluded(what: Change, snapshot: FleetSnapshot, used: Usage | None) -> None:
    """A success or an adoption names a server of the list that is not failed; silence proves none."""
    outcome = determine_outcome(what, snapshot, used, DEFAULT_TIMING)
    if outcome.finding in {OutcomeKind.SUCCEEDED, OutcomeKind.ADOPTED}:
        assert outcome.server in snapshot.servers
    if outcome.finding is OutcomeKind.SUCCEEDED:
        assert outcome.server is not None
        assert not outcome.server.failed


unclear = st.builds(
    change,
    st.sampled_from(["create", "start", "stop", "reboot"]),
    st.just(State.UNKNOWN),
    st.floats(600.001, 2e5),  # the longest settling time is ten minutes
    last_uptime=st.sampled_from([None, 3, 86400]),
)


@given(unclear, snapshots, usages)
@pytest.mark.requirement("unknown-is-looked-up")
def test_every_unclear_outcome_ends(what: Change, snapshot: FleetSnapshot, used: Usage | None) -> None:
    """Once the settling time is over, a readable check decides, or hands over to a person."""
    finding = determine_outcome(what, snapshot, used, DEFAULT_TIMING).finding
    if used is None and what.operation == "reboot":
        assert finding in {*STATE_OF, OutcomeKind.NEEDS_SERVER, OutcomeKind.NEEDS_USAGE}
    elif finding is OutcomeKind.NEEDS_SERVER:
        full = snapshot.with_full(snapshot.servers[[item.id for item in snapshot.servers].index("s1")])
        assert determine_outcome(what, full, used, DEFAULT_TIMING).finding in STATE_OF
    else:
        assert finding in STATE_OF


@given(st.lists(servers, max_size=4, unique_by=lambda entry: entry.id), st.floats(0, 1e5), st.booleans())
def test_an_unclear_create_fails_only_where_no_such_server_is(seen: list[Server], age: float, complete: bool) -> None:
    """`failed` means that it was not made: never beside a server of that name, never after an incomplete list."""
    outcome = determine_outcome(
        change("create", State.UNKNOWN, age), FleetSnapshot(seen, complete, START), None, DEFAULT_TIMING
    )
    if outcome.finding is OutcomeKind.FAILED:
        assert complete
        assert all(item.hostname.lower() != HOST for item in seen)


@pytest.mark.parametrize(("age", "finding"), [(599.0, OutcomeKind.WAIT), (601.0, OutcomeKind.NEEDS_PERSON)])
def test_an_older_server_of_that_name_is_left_to_a_person(age: float, finding: OutcomeKind) -> None:
    """It may be this one after all, under a wrong clock: it is not reported as not made."""
    old = server(created_at=(START - timedelta(hours=1)).isoformat())
    outcome = determine_outcome(
        change("create", State.UNKNOWN, age), FleetSnapshot([old], True, START), None, DEFAULT_TIMING
    )
    assert outcome.finding is finding


GAP = st.floats(301, 80000)


@given(GAP, st.floats(0, 1))
def test_a_reboot_nobody_looked_at_is_not_denied(gap: float, share: float) -> None:
    """Rebooted soon after it was up: the count is above the one before again, and still it came up since."""
    up = usage(int(100 + (gap - 101) * share))
    sent = change("reboot", State.WATCHING, gap, last_uptime=90)
    assert (
        determine_outcome(sent, FleetSnapshot([server()], True, START), up, DEFAULT_TIMING).finding
        is OutcomeKind.SUCCEEDED
    )
    unclear = change("reboot", State.UNKNOWN, gap, last_uptime=90)
    assert (
        determine_outcome(unclear, FleetSnapshot([server()], True, START), up, DEFAULT_TIMING).finding
        is OutcomeKind.SUCCEEDED
    )
    first_look = FleetSnapshot(
        [server()], True, START, waited={"chg_1": 300.5}
    )  # by another process, which saw fewer polls
    assert determine_outcome(unclear, first_look, up, DEFAULT_TIMING).finding in {
        OutcomeKind.SUCCEEDED,
        OutcomeKind.NEEDS_PERSON,
    }


def test_an_uptime_that_arrives_late_denies_no_reboot() -> None:
    """Read twenty seconds after the poll, the uptime of a reboot that took five is longer than the time until the poll.

    It proves none either: a server that was up for those seconds before the sending has the same uptime.
    """
    unclear = change("reboot", State.UNKNOWN, 200)
    late = FleetSnapshot([server()], True, START, usage_lag=20.0)
    assert determine_outcome(unclear, late, usage(215), DEFAULT_TIMING).finding is OutcomeKind.NEEDS_PERSON
    assert determine_outcome(unclear, late, usage(195), DEFAULT_TIMING).finding is OutcomeKind.SUCCEEDED
    assert determine_outcome(unclear, late, usage(225), DEFAULT_TIMING).finding is OutcomeKind.FAILED
    prompt = replace(late, usage_lag=0.0)
    assert determine_outcome(unclear, prompt, usage(215), DEFAULT_TIMING).finding is OutcomeKind.FAILED


@given(GAP)
def test_a_date_that_is_set_makes_no_reboot(ahead: float) -> None:
    """Within the patience of the steady clock, an uptime that keeps counting is no reboot, whatever the date."""
    snapshot = FleetSnapshot([server()], True, START, waited={"chg_1": 20.0})
    going_on = usage(110)
    for state in (State.WATCHING, State.UNKNOWN):
        outcome = determine_outcome(change("reboot", state, ahead, last_uptime=90), snapshot, going_on, DEFAULT_TIMING)
        assert outcome.finding is OutcomeKind.WAIT
