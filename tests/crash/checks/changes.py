"""What must hold when a crash run is at rest."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.crash.plan import PlanItem
from vpsops.core.changes.model import Change, State

UNDONE = {State.DENIED, State.EXPIRED, State.CANCELLED, State.SUPERSEDED}


@dataclass(slots=True)
class CrashVerdict:
    """Counts of a run, and every sentence of what went wrong."""

    states: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    twice: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Return whether nothing went wrong."""
        return not (self.lost or self.twice or self.wrong)


def judge(
    items: Sequence[PlanItem],
    changes: Mapping[str, Change],
    effects: Mapping[tuple[str, str], int],
    events: Mapping[str, Mapping[str, int]],
) -> CrashVerdict:
    """Hold every change's end against the effects the provider counted for its server, and its start against its time.

    `events` counts what the audit trail holds of each change.
    """
    verdict = CrashVerdict()
    for item in items:
        change = changes.get(f"crash-{item.number}")
        count = effects.get((item.operation, item.server), 0)
        if count > 1:
            verdict.twice += 1
        if change is None:
            verdict.lost += 1
            continue
        verdict.states[change.state.value] += 1
        verdict.wrong += _wrong(item, change, count)
        fault = start_fault(change, events.get(change.id, {}))
        verdict.wrong += [f"{change.id} {item.operation} {item.server} {fault}"] if fault else []
    return verdict


def _wrong(item: PlanItem, change: Change, count: int) -> list[str]:
    summary = f"{change.id} {item.operation} {item.server} ({item.fate}) is {change.state.value}"
    if bool(item.time) is not (change.schedule is not None):
        return [f"{summary}, with the schedule {change.schedule}"]
    if change.schedule is not None and change.sent_at is not None and change.sent_at < change.schedule.run_at:
        return [f"{summary}, sent at {change.sent_at}, before its time"]
    fault = effect_fault(change, count)
    if fault:
        return [f"{summary}: {fault}"]
    if item.fate in {"deny", "cancel", "expire"} and change.state is State.SUCCEEDED:
        return [f"{summary}, against what people said"]
    return []


def start_fault(change: Change, events: Mapping[str, int]) -> str:
    """Return what is wrong with the start of a change as its time came, or ""; one without a time has none."""
    starts, sent = events.get("due", 0), bool(change.sent_at or events.get("plan_started"))
    if starts > 1 or (starts and change.schedule is None):
        return f"was started {starts} times by its time, and has the schedule {change.schedule}"
    if change.schedule is not None and sent and not starts:
        return "began without its time"
    return ""


def effect_fault(change: Change, count: int) -> str:
    """Return what is wrong with the end of a change, with the count of its effects at the provider, or ""."""
    if change.state is State.SUCCEEDED and count != 1:
        return f"succeeded, and the provider did it {count} times"
    if change.state in UNDONE and count:
        return f"{change.state.value}, and the provider did it"
    if change.state is State.FAILED and count:
        return f"failed ({change.note}), and the provider did it"
    if change.state.open and change.state is not State.NEEDS_PERSON:
        return f"{change.state.value}: not at rest"
    return ""
