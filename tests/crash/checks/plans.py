"""What must hold of the plans of a crash run at rest: members, order, numbers, times, and what the provider saw."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.crash.checks.changes import UNDONE, CrashVerdict, effect_fault, start_fault
from tests.crash.server_plans import ServerPlanItem
from vpsops.core.changes.model import Change, State
from vpsops.core.plans.model import MemberState, PlanMember

WORDS = {
    MemberState.FAILED: "failed",
    MemberState.UNCLEAR: "with an unknown outcome",
    MemberState.SKIPPED: "skipped",
    MemberState.NOT_RUN: "not started",
}
BAD = {MemberState.FAILED, MemberState.UNCLEAR}
WELL = {MemberState.DONE, MemberState.SKIPPED}


@dataclass(frozen=True, slots=True)
class BusySpan:
    """From when until when a server of the provider was busy with an effect."""

    hostname: str
    operation: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """What is stored of one plan; `begun` holds the number of the record that began each member's change."""

    plan: Change
    members: Sequence[PlanMember]
    changes: Mapping[str, Change]
    begun: Mapping[str, int]
    events: Mapping[str, int]  # how often each is recorded of the plan itself
    stopped: int | None = None  # the number of the record by which it was stopped


@dataclass(slots=True)
class PlanJudge:
    """Judges one plan by what was asked for, what is stored, and what the provider saw of its servers."""

    item: ServerPlanItem
    record: PlanRecord
    spans: Sequence[BusySpan]
    faults: list[str] = field(default_factory=list)

    @property
    def begun(self) -> list[PlanMember]:
        """The members that have a change of their own."""
        return [member for member in self.record.members if member.change_id]

    def judge(self) -> list[str]:
        """Return what is wrong with it."""
        plan, members = self.record.plan, self.record.members
        if not plan.state.final:
            self._say("is not at rest")
        if [member.ordinal for member in members] != list(range(1, len(members) + 1)):
            self._say("lost members")
        if len(members) != plan.arguments["count"]:
            self._say(f"has {len(members)} members, and {plan.arguments['count']} were shown")
        self.faults += [fault for member in members for fault in self._member(member)]
        names = {member.target.hostname for member in members}
        self.faults += [f"did {span.hostname}, which is no member" for span in self.spans if span.hostname not in names]
        self._order()
        self._at_once()
        self._times()
        self._begin()
        self._ends() if plan.state not in UNDONE else self._undone()
        return [f"{plan.id} ({self.item.fate}, {self.item.time or 'now'}) {fault}" for fault in self.faults]

    def _say(self, fault: str) -> None:
        self.faults.append(fault)

    def _effects(self, member: PlanMember) -> int:
        return sum(span.hostname == member.target.hostname for span in self.spans)

    def _member(self, member: PlanMember) -> Iterator[str]:
        count, name = self._effects(member), member.target.hostname
        change = self.record.changes.get(member.change_id)
        if count > 1:
            yield f"did {name} {count} times"
        if member.change_id and change is None:
            yield f"lost the change of {name}"
        if change is None:
            if count:
                yield f"did {name}, which is {member.state.value}"
            return
        if change.target.hostname != name or change.plan != self.record.plan.id:
            yield f"has {change.id} for {name}"
        fault = effect_fault(change, count)
        if fault:
            yield f"has {change.id} of {name}: {fault}"
        if (member.state is MemberState.DONE) is not (change.state is State.SUCCEEDED):
            yield f"says {member.state.value} of {change.id}, which is {change.state.value}"

    def _order(self) -> None:
        """Members begin in their order; at the provider fewer than `at_once` earlier ones come after any."""
        numbers = [self.record.begun.get(member.change_id, 0) for member in self.begun]
        if numbers != sorted(numbers) or 0 in numbers:
            self._say(f"began its members in another order: {numbers}")
        left = {MemberState.WAITING, MemberState.NOT_RUN}
        turns = [bool(member.change_id) for member in self.record.members if member.change_id or member.state in left]
        if turns != sorted(turns, reverse=True):
            self._say("left a member out")
        at = {span.hostname: span.begins for span in self.spans}
        names = [member.target.hostname for member in self.begun if member.target.hostname in at]
        for place, name in enumerate(names):
            behind = sum(at[earlier] > at[name] for earlier in names[:place])
            if behind >= self.item.at_once:
                self._say(f"sent {name} before {behind} earlier members")

    def _at_once(self) -> None:
        """Count the members under way, by the database and by the provider."""
        stored = [
            (self.record.changes[member.change_id].created_at, member.moved_at)
            for member in self.begun
            if member.moved_at and member.change_id in self.record.changes
        ]
        for what, spans in (("stored", stored), ("sent", [(span.begins, span.ends) for span in self.spans])):
            most = most_at_once(spans)
            if most > self.item.at_once:
                self._say(f"had {most} members {what} at once, and {self.item.at_once} may be")

    def _times(self) -> None:
        schedule = self.record.plan.schedule
        if bool(self.item.time) is not (schedule is not None):
            self._say(f"has the schedule {schedule}")
        if schedule is None:
            return
        for change in self.record.changes.values():
            sent = change.sent_at or change.created_at
            if min(change.created_at, sent) < schedule.run_at:
                self._say(f"began {change.id} before its time")
            if schedule.window and max(change.created_at, sent) > schedule.run_until:
                self._say(f"began {change.id} after its window closed")

    def _begin(self) -> None:
        """A plan begins once, and as its time comes where it has one; it ends once."""
        fault = start_fault(self.record.plan, self.record.events)
        if fault:
            self._say(fault)
        began, ended = (self.record.events.get(event, 0) for event in ("plan_started", "plan_ended"))
        if began > 1 or ended != began:
            self._say(f"began {began} times and ended {ended} times")
        if not began and self.begun:
            self._say("has members that began, and did not begin")

    def _undone(self) -> None:
        if self.begun or self.spans:
            self._say(f"is {self.record.plan.state.value}, and began {len(self.begun)} members")

    def _ends(self) -> None:
        plan, members, states = self.record.plan, self.record.members, [each.state for each in self.record.members]
        counts = Counter(states)
        well = MemberState.DONE in counts and set(counts) <= WELL
        if well is not (plan.state is State.SUCCEEDED):
            self._say(f"is {plan.state.value} with {dict(counts)}")
        if not all(state.is_final for state in states):
            self._say(f"ended with {dict(counts)}")
        numbers = [f"{counts[MemberState.DONE]} of {len(members)} done"]
        numbers += [f"{counts[state]} {words} (" for state, words in WORDS.items() if counts[state]]
        self.faults += [f"says {plan.note!r} and not {words!r}" for words in numbers if words not in plan.note]
        if self.item.fate in {"deny", "cancel", "expire"}:
            self._say("ran, against what people said")
        self._stopping(counts)

    def _stopping(self, counts: Mapping[MemberState, int]) -> None:
        """Nothing begins after the plan was stopped, or enough failed; without that, nothing is left."""
        plan, record = self.record.plan, self.record
        bad = sorted(member.moved_at for member in record.members if member.state in BAD and member.moved_at)
        limit = bad[self.item.stop_after - 1] if len(bad) >= self.item.stop_after else None
        late = [each.id for each in record.changes.values() if limit is not None and each.created_at > limit]
        late += [
            name for name, number in record.begun.items() if record.stopped is not None and number > record.stopped
        ]
        if late:
            self._say(f"began {', '.join(late)} after it was to stop")
        window = plan.schedule is not None and plan.schedule.window
        closed = bool(window and plan.settled_at and plan.schedule and plan.settled_at > plan.schedule.run_until)
        if counts[MemberState.NOT_RUN] and not (closed or limit is not None or record.stopped is not None):
            self._say("left members, and nothing stopped it")


def most_at_once(spans: Sequence[tuple[datetime, datetime]]) -> int:
    """Return how many of some spans overlap at most; one that begins as another ends does not overlap it."""
    edges = sorted([(begins, 1) for begins, _ in spans] + [(ends, -1) for _, ends in spans])
    most = count = 0
    for _, step in edges:
        count += step
        most = max(most, count)
    return most


def judge_plans(
    items: Sequence[ServerPlanItem], records: Mapping[str, PlanRecord], spans: Sequence[BusySpan]
) -> CrashVerdict:
    """Judge all plans of a run; states are counted by plan, what is lost or done twice by member."""
    verdict = CrashVerdict()
    by_name: dict[str, list[BusySpan]] = {}
    for span in spans:
        by_name.setdefault(span.hostname, []).append(span)
    for item in items:
        own = [span for name in item.servers for span in by_name.get(name, ())]
        verdict.twice += sum(len(by_name.get(name, ())) > 1 for name in item.servers)
        record = records.get(item.key)
        if record is None:
            verdict.lost += len(item.servers)
            continue
        verdict.states[record.plan.state.value] += 1
        verdict.wrong += PlanJudge(item, record, own).judge()
    return verdict
