"""Logs, counts and traces each step of a change once it is committed; the steps come from the database's observer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from vpsops.core.audit.records import AppendedRecord
from vpsops.core.changes.model import OVERRIDDEN, Change, ChangeStep, State
from vpsops.core.grants.model import GrantStep
from vpsops.core.policy.decision import Decision
from vpsops.core.telemetry import metrics
from vpsops.core.telemetry.telemetry import Telemetry
from vpsops.core.telemetry.tracer import trace_id_of, traceparent_from

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChangeTelemetry:
    """The observer of the commits of one process."""

    telemetry: Telemetry

    def observe(self, facts: Sequence[object]) -> None:
        """Take the facts of one commit, in their order."""
        for fact in facts:
            match fact:
                case ChangeStep():
                    log_step(fact)
                    self._count_step(fact)
                    self._count_end(fact)
                    self._trace_step(fact)
                case AppendedRecord():
                    self._count_record(fact)
                case GrantStep():
                    self.telemetry.meter.count(metrics.GRANTS, operation=fact.operation, grant_event=fact.event)
                case _:
                    pass

    def _count_end(self, step: ChangeStep) -> None:
        """Count the stop of a server at its end, as that comes to an end of its own."""
        if step.after.ruling.end and step.after.state.final and step.before is not None and not step.before.state.final:
            self.telemetry.meter.count(metrics.END_STOPS, state=step.after.state.value)

    def _count_step(self, step: ChangeStep) -> None:
        meter, before, after = self.telemetry.meter, step.before, step.after
        if step.event == "deferred":
            meter.count(metrics.DEFERRALS, operation=after.operation)
        if step.event == OVERRIDDEN:
            meter.count(metrics.OVERRIDES, operation=after.operation, front=after.origin.front)
        if before is not None and before.state is after.state:
            return
        decision, state = after.ruling.decision.value, after.state.value
        labels = {"operation": after.operation, "decision": decision, "front": after.origin.front}
        meter.count(metrics.CHANGES, state=state, **labels)
        if before is None:
            return
        if before.state is State.HELD:
            held = after.updated_at - before.created_at
            meter.observe(metrics.HELD_SECONDS, held.total_seconds(), decision=decision, state=state)
        if after.state is State.SENDING and not before.sends:
            meter.observe(metrics.SEND_SECONDS, (after.updated_at - approved_at(before)).total_seconds())
        if after.state.final and after.seconds is not None:
            meter.observe(metrics.SETTLE_SECONDS, after.seconds, operation=after.operation, state=state)

    def _count_record(self, record: AppendedRecord) -> None:
        """Count what the trail alone has: decisions of the policy, refusals and votes."""
        meter, body = self.telemetry.meter, record.body
        front = str(body.get("origin", ""))
        if record.event in {"requested", "refused"} and "decision" in body:
            labels = {"operation": str(body.get("operation", "")), "decision": str(body["decision"]), "front": front}
            meter.count(metrics.POLICY_DECISIONS, **labels)
        if "verdict" in body:
            meter.count(metrics.VOTES, verdict=str(body["verdict"]))
        if record.event == "refused":
            meter.count(metrics.REFUSALS, front=front, cause=_cause_of(record))

    def _trace_step(self, step: ChangeStep) -> None:
        """Record the state that a step ended as a span of the change's trace, or an event within a state."""
        tracer = self.telemetry.tracer
        if not tracer.is_enabled or step.before is None:
            return
        before, after = step.before, step.after
        moved = before.state is not after.state
        name = f"change {before.state.value}" if moved else f"change {step.event}"
        period = (_entered(before) if moved else after.updated_at, after.updated_at)
        attributes = {
            "vpsops.change.id": after.id,
            "vpsops.change.operation": after.operation,
            "vpsops.change.state": after.state.value,
            "vpsops.change.event": step.event,
        }
        tracer.record(name, period, attributes, parent=traceparent_of(after), link=tracer.current())


def log_step(step: ChangeStep) -> None:
    """Log a step in one line."""
    change = step.after
    logger.info(
        "change_step",
        step=step.event,
        change=change.id,
        state=change.state.value,
        operation=change.operation,
        front=change.origin.front,
        trace_id=trace_id_of(traceparent_of(change)),
    )


def traceparent_of(change: Change) -> str:
    """Return the trace context of a change: that of its request, or one that follows from its id."""
    return change.traceparent or traceparent_from(change.id)


def approved_at(change: Change) -> datetime:
    """Return when an approved change was approved, as near as its row says; one with a schedule is at its time.

    In the transaction of the last yes the change has not got that vote yet, and its update is that moment.
    """
    agreed = _agreed_at(change)
    return agreed if change.schedule is None else max(agreed, change.schedule.run_at)


def _agreed_at(change: Change) -> datetime:
    match change.ruling.decision:
        case Decision.ALLOW:
            return change.created_at
        case Decision.APPROVE if change.votes and change.approvals >= change.ruling.votes:
            return max(vote.at for vote in change.votes)
        case _:
            return change.updated_at


def _entered(change: Change) -> datetime:
    """Return when a change entered its state, as near as its row says."""
    match change.state:
        case State.REQUESTED | State.HELD:
            return change.created_at
        case State.APPROVED:
            return approved_at(change)
        case State.SENDING | State.WATCHING | State.UNKNOWN:
            return change.sent_at or change.updated_at
        case _:
            return change.updated_at


def _cause_of(record: AppendedRecord) -> str:
    body = record.body
    if "limit" in body:
        return "limit"
    if "about" in body:
        return "decision"
    return "policy" if body.get("decision") == Decision.DENY.value else metrics.OTHER
