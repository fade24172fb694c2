"""Each committed step of a change is counted, timed, traced and logged once; what was rolled back is not."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import Connection
from structlog.testing import capture_logs

from tests.fakes.clock import START
from tests.unit.core import sample
from vpsops.core.audit.records import AppendedRecord
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, ChangeStep, State, Verdict, Vote
from vpsops.core.common.json_types import Json
from vpsops.core.monitoring.change_telemetry import ChangeTelemetry, approved_at, traceparent_of
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.schedule.model import Schedule
from vpsops.core.storage import Database
from vpsops.core.telemetry import metrics
from vpsops.core.telemetry.meter import MetricMeter
from vpsops.core.telemetry.metrics import Metric
from vpsops.core.telemetry.telemetry import Telemetry
from vpsops.core.telemetry.tracer import Attributes, NoTracer, trace_id_of, traceparent_from

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
VOTED = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class ListMeter(MetricMeter):
    """A meter that lists what is counted."""

    __slots__ = ("counted", "observed")

    def __init__(self) -> None:
        super().__init__()
        self.counted: list[tuple[str, dict[str, str]]] = []
        self.observed: list[tuple[str, float, dict[str, str]]] = []

    def count(self, metric: Metric, **labels: str) -> None:
        """List a count."""
        self.counted.append((metric.name, labels))

    def observe(self, metric: Metric, seconds: float, **labels: str) -> None:
        """List a time."""
        self.observed.append((metric.name, seconds, labels))


@dataclass
class ListTracer(NoTracer):
    """A tracer that lists what is recorded, within the span of a vote."""

    is_enabled = True
    recorded: list[tuple[str, float, str, str]] = field(default_factory=list)

    def current(self) -> str:
        """Return the vote's own trace."""
        return VOTED

    def record(
        self, name: str, period: tuple[datetime, datetime], attributes: Attributes, *, parent: str, link: str = ""
    ) -> None:
        """List a span."""
        assert attributes["vpsops.change.id"] == "chg_1"
        self.recorded.append((name, (period[1] - period[0]).total_seconds(), parent, link))


def observed(*facts: object) -> tuple[ListMeter, ListTracer]:
    """Observe the facts of a commit."""
    meter, tracer = ListMeter(), ListTracer()
    ChangeTelemetry(Telemetry(meter, tracer)).observe(facts)
    return meter, tracer


def moved(before: Change, state: State, seconds: float, event: str = "", **values: object) -> ChangeStep:
    """Move a change some seconds after the tests' clock began."""
    after = replace(before, state=state, updated_at=START + timedelta(seconds=seconds), **values)  # type: ignore[arg-type]
    return ChangeStep(before, after, event or state.value)


HELD = sample.change(state=State.HELD, sent_at=None, traceparent=TRACE)


def test_a_hold_that_ends_is_counted_timed_and_traced() -> None:
    """The span covers the hold, in the change's trace, with the vote's own request as a link."""
    meter, tracer = observed(moved(HELD, State.APPROVED, 90.0))
    labels = {"operation": "stop", "decision": "approve", "front": "mcp", "state": "approved"}
    assert meter.counted == [("vpsops_changes_total", labels)]
    assert meter.observed == [("vpsops_change_held_seconds", 90.0, {"decision": "approve", "state": "approved"})]
    assert tracer.recorded == [("change held", 90.0, TRACE, VOTED)]


def test_a_new_change_is_counted_and_its_request_is_its_span() -> None:
    meter, tracer = observed(ChangeStep(None, HELD, "requested"))
    assert [labels["state"] for _, labels in meter.counted] == ["held"]
    assert tracer.recorded == []


def test_an_event_within_a_state_is_a_span_without_length_and_no_new_state() -> None:
    meter, tracer = observed(moved(HELD, State.HELD, 30.0, "voted"))
    assert meter.counted == []
    assert tracer.recorded == [("change voted", 0.0, TRACE, VOTED)]


def test_the_time_to_send_is_that_of_the_first_send() -> None:
    """From the last yes that was needed, whatever touched the row since; a second send is not timed again."""
    votes = [Vote(HELD.actor, Verdict.APPROVE, "", "", START + timedelta(seconds=each)) for each in (10, 20)]
    approved = replace(HELD, state=State.APPROVED, votes=tuple(votes), updated_at=START + timedelta(seconds=50))
    meter, tracer = observed(moved(approved, State.SENDING, 60.0))
    assert meter.observed == [("vpsops_change_send_seconds", 40.0, {})]
    assert tracer.recorded == [("change approved", 40.0, TRACE, VOTED)]
    assert observed(moved(replace(approved, sends=1), State.SENDING, 60.0))[0].observed == []


@pytest.mark.parametrize(
    ("ruling", "votes", "seconds"),
    [
        (Ruling(Decision.ALLOW), 0, 0.0),
        (Ruling(Decision.CONFIRM), 0, 50.0),
        (Ruling(Decision.APPROVE, votes=2), 2, 20.0),
        (Ruling(Decision.APPROVE, votes=2), 1, 50.0),  # in the transaction of the last vote
    ],
)
def test_when_a_change_was_approved(ruling: Ruling, votes: int, seconds: float) -> None:
    moments = [START + timedelta(seconds=10 * number) for number in range(1, votes + 1)]
    cast = [Vote(HELD.actor, Verdict.APPROVE, "", "", moment) for moment in moments]
    change = replace(HELD, ruling=ruling, votes=tuple(cast), updated_at=START + timedelta(seconds=50))
    assert (approved_at(change) - START).total_seconds() == seconds


@pytest.mark.parametrize(("minutes", "seconds"), [(10, 600.0), (0, 50.0)])
def test_a_change_with_a_schedule_was_approved_at_its_time(minutes: int, seconds: float) -> None:
    """Or when people agreed, where that was later."""
    run_at = START + timedelta(minutes=minutes)
    later = Schedule(run_at, run_at + timedelta(minutes=30), "in 10m")
    change = replace(HELD, ruling=Ruling(Decision.CONFIRM), updated_at=START + timedelta(seconds=50), schedule=later)
    assert (approved_at(change) - START).total_seconds() == seconds


def test_an_end_is_timed_from_the_send() -> None:
    watching = replace(HELD, state=State.WATCHING, sent_at=START)
    step = moved(watching, State.SUCCEEDED, 12.0, settled_at=START + timedelta(seconds=12))
    meter, tracer = observed(step)
    assert meter.observed == [("vpsops_change_settle_seconds", 12.0, {"operation": "stop", "state": "succeeded"})]
    assert tracer.recorded == [("change watching", 12.0, TRACE, VOTED)]
    assert observed(moved(watching, State.SUCCEEDED, 12.0))[0].observed == []  # accepted, not seen


def test_a_deferral_is_counted_within_its_state() -> None:
    meter, _ = observed(moved(replace(HELD, state=State.APPROVED), State.APPROVED, 1.0, "deferred"))
    assert meter.counted == [("vpsops_provider_deferrals_total", {"operation": "stop"})]


@pytest.mark.parametrize(
    ("event", "body", "counted"),
    [
        (
            "requested",
            {"decision": "approve", "operation": "stop", "origin": "slack"},
            [(metrics.POLICY_DECISIONS, {"operation": "stop", "decision": "approve", "front": "slack"})],
        ),
        (
            "refused",
            {"decision": "deny", "operation": "stop", "origin": "mcp", "why": "no"},
            [
                (metrics.POLICY_DECISIONS, {"operation": "stop", "decision": "deny", "front": "mcp"}),
                (metrics.REFUSALS, {"front": "mcp", "cause": "policy"}),
            ],
        ),
        ("refused", {"limit": "rate", "origin": "mcp"}, [(metrics.REFUSALS, {"front": "mcp", "cause": "limit"})]),
        ("refused", {"about": "chg_1", "why": "no"}, [(metrics.REFUSALS, {"front": "", "cause": "decision"})]),
        ("refused", {"origin": "cli", "why": "no"}, [(metrics.REFUSALS, {"front": "cli", "cause": "other"})]),
        ("voted", {"verdict": "approve"}, [(metrics.VOTES, {"verdict": "approve"})]),
        ("drift", {"servers": []}, []),
    ],
)
def test_what_the_trail_alone_has_is_counted(
    event: str, body: dict[str, Json], counted: Sequence[tuple[Metric, dict[str, str]]]
) -> None:
    meter, _ = observed(AppendedRecord(event, body))
    assert meter.counted == [(metric.name, labels) for metric, labels in counted]


def test_a_change_of_before_has_a_trace_that_follows_from_its_id() -> None:
    assert traceparent_of(HELD) == TRACE
    assert traceparent_of(replace(HELD, traceparent="")) == traceparent_from("chg_1")


async def test_steps_are_observed_once_they_are_committed(database: Database) -> None:
    """One line for each step, with the ids of change and trace; a rolled back transaction says nothing."""

    def fail(connection: Connection) -> None:
        sample.put(connection, HELD)
        raise ZeroDivisionError

    def deny(connection: Connection) -> None:
        change = repository.load(connection, HELD.id)
        repository.step(connection, change, State.DENIED, START, event="denied", note="x")

    database.observe = ChangeTelemetry(Telemetry()).observe
    with capture_logs() as lines:
        with pytest.raises(ZeroDivisionError):
            await database.transact(fail)
        await database.transact(lambda connection: sample.put(connection, HELD))
        await database.transact(deny)
    steps = [line for line in lines if line["event"] == "change_step"]
    assert [(line["step"], line["state"], line["change"]) for line in steps] == [
        ("requested", "held", "chg_1"),
        ("denied", "denied", "chg_1"),
    ]
    assert {line["trace_id"] for line in steps} == {trace_id_of(TRACE)}


async def test_an_observer_that_breaks_alters_nothing(database: Database) -> None:
    """What is stored is stored, and the writer gets no error."""

    def observe(_facts: Sequence[object]) -> None:
        raise ZeroDivisionError

    database.observe = observe
    with capture_logs() as lines:
        await database.transact(lambda connection: sample.put(connection, HELD))
    assert await database.read(lambda connection: repository.load(connection, HELD.id).state) is State.HELD
    assert "commit_not_observed" in {line["event"] for line in lines}
