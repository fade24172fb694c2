"""The outcome of a change that its operation inspects by a read of its own, as no list of servers can show it."""

from dataclasses import replace
from typing import Final

from vpsops.core.changes.model import Change, State
from vpsops.core.common.timings import Timing
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.strategies import Inspected, Inspection, Sent
from vpsops.core.outcomes.outcome import FleetSnapshot, OutcomeFinding, OutcomeKind, elapsed, limit, refused

UNREADABLE: Final = "what became of it cannot be read"
ACCEPTED_UNREADABLE: Final = (
    "WAYSCloud accepted it. What became of it cannot be read, so nothing shows whether it was done."
)
UNSHOWN: Final = "WAYSCloud accepted it. This API shows nothing by which it can be seen."


def sent_of(change: Change, snapshot: FleetSnapshot) -> Sent:
    """Return a change as its operation's inspection needs it."""
    return Sent(
        arguments=OPERATIONS[change.operation].arguments.model_validate(dict(change.arguments)),
        target=change.target,
        result=change.result,
        facts=change.facts,
        sent_at=change.sent_at or change.updated_at,
        now=snapshot.now,
        accepted=change.state is State.WATCHING,
        refused=change.refusal is not None,
    )


def outcome_of_inspection(
    change: Change, inspection: Inspection | None, snapshot: FleetSnapshot, timing: Timing
) -> OutcomeFinding:
    """Return the meaning of an inspection; None is one that could not be read, which is never an absence."""
    waited = elapsed(change, snapshot)
    if change.state is State.UNKNOWN:
        finding = _look_up(change, inspection, waited, timing)
    else:
        finding = _watch(change, inspection, waited, timing)
    return replace(finding, result=inspection.result) if inspection is not None else finding


def _watch(change: Change, inspection: Inspection | None, waited: float, timing: Timing) -> OutcomeFinding:
    late = waited > limit(change, timing)
    match inspection.finding if inspection is not None else None:
        case Inspected.DONE:
            return OutcomeFinding(OutcomeKind.SUCCEEDED, note=inspection.note if inspection else "")
        case Inspected.FAILED | Inspected.AMBIGUOUS as finding:
            kind = OutcomeKind.FAILED if finding is Inspected.FAILED else OutcomeKind.NEEDS_PERSON
            return OutcomeFinding(kind, note=inspection.note if inspection else "")
        case Inspected.NOT_KNOWABLE if late:
            note = (inspection.note if inspection else "") or UNSHOWN
            return OutcomeFinding(OutcomeKind.SUCCEEDED, note=note, unseen=True)
        case Inspected.NOT_KNOWABLE:
            return OutcomeFinding(OutcomeKind.WAIT)
        case _ if change.overdue and waited > timing.give_up:
            return _given_up(inspection)
        case _:
            return OutcomeFinding(OutcomeKind.OVERDUE if late and not change.overdue else OutcomeKind.WAIT)


def _given_up(inspection: Inspection | None) -> OutcomeFinding:
    if inspection is None:
        return OutcomeFinding(OutcomeKind.SUCCEEDED, note=ACCEPTED_UNREADABLE, unseen=True)
    return OutcomeFinding(OutcomeKind.FAILED, note=inspection.note or "it did not get there in a day")


def _look_up(change: Change, inspection: Inspection | None, waited: float, timing: Timing) -> OutcomeFinding:
    finding = inspection.finding if inspection is not None else None
    note = inspection.note if inspection is not None else UNREADABLE
    if finding is Inspected.DONE:
        return OutcomeFinding(OutcomeKind.SUCCEEDED, note=note or "found done")
    if finding is Inspected.UNDER_WAY:
        return OutcomeFinding(OutcomeKind.ADOPTED, note=note or "found under way")
    if finding is Inspected.FAILED:
        return OutcomeFinding(OutcomeKind.FAILED, note=note)
    believed = change.refusal is not None and not change.refusal.doubtful
    patience = timing.refusal_lookup if believed else timing.lookup(OPERATIONS[change.operation].pace)
    if waited <= patience:
        return OutcomeFinding(OutcomeKind.WAIT)
    if finding is Inspected.NOT_DONE or (finding is Inspected.NOT_KNOWABLE and believed):
        if change.refusal is not None:
            return refused(change.refusal, None)
        return OutcomeFinding(OutcomeKind.FAILED, note=note or "it was not carried out")
    return OutcomeFinding(OutcomeKind.NEEDS_PERSON, note=note or UNSHOWN)
