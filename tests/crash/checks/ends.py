"""What must hold of servers with an end in a crash run at rest: one stop, one request for deletion, one reminder."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.crash.checks.changes import CrashVerdict, effect_fault
from tests.crash.checks.plans import BusySpan
from tests.crash.server_ends import ServerEndItem
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.ends import lifecycle
from vpsops.core.ends.model import EndState, ServerEnd

STOP, DELETE = "stop", "delete"
ASKED = "deletions asked for"


@dataclass(frozen=True, slots=True)
class EndRecord:
    """What is stored of one server with an end.

    `events` are those of its create, with the turn of the end; `asked` are the deletions that its records name,
    `notices` the numbers of reminders in channels and in direct messages.
    """

    create: Change
    end: ServerEnd | None
    stops: Sequence[Change]
    deletions: Sequence[Change]
    events: Mapping[tuple[str, int], int]
    asked: Sequence[str]
    notices: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class EndJudge:
    """Judges one server with an end by what is stored and posted, and by what the provider saw."""

    item: ServerEndItem
    record: EndRecord
    spans: Sequence[BusySpan]

    def judge(self) -> list[str]:
        """Return what is wrong with it."""
        create = self.record.create
        faults = list(filter(None, [effect_fault(create, self._count("create"))]))
        if self.record.end is None:
            faults += self._endless()
        else:
            parts = (self._rest, self._stops, self._deletion, self._reminders)
            faults += [fault for part in parts for fault in part(self.record.end)]
        return [f"{create.id} {self.item.hostname} ({self.item.fate}) {fault}" for fault in faults]

    def _count(self, operation: str) -> int:
        return sum(span.operation == operation for span in self.spans)

    def _endless(self) -> Iterator[str]:
        if self._count(STOP) or self._count(DELETE):
            yield "has no end, and was stopped or deleted"
        is_said = self.record.events.get((lifecycle.MISSING, 0), 0)
        if self.record.create.state is State.SUCCEEDED and not is_said:
            yield "was made without its end, and that was not said"

    def _rest(self, end: ServerEnd) -> Iterator[str]:
        if end.state in {EndState.OPEN, EndState.STOPPING}:
            yield f"is {end.state.value}: not at rest"
        if not end.note:
            yield f"is {end.state.value} without a word about why"

    def _stops(self, end: ServerEnd) -> Iterator[str]:
        """Each of its ends stopped it once at most, and not before; where it is not stopped, people are asked."""
        stops = [span for span in self.spans if span.operation == STOP]
        done = [stop for stop in self.record.stops if stop.state is State.SUCCEEDED]
        if len(stops) > 1 or len(done) > 1:
            yield f"was stopped {len(stops)} times, by {len(done)} changes"
        if len(self.record.stops) > end.turn:
            yield f"has {len(self.record.stops)} stops for {end.turn} ends"
        for stop in self.record.stops:
            is_other = bool(done) and stop not in done  # as it was kept in that moment
            fault = effect_fault(stop, 0 if is_other else len(stops))
            yield from [f"has {stop.id}: {fault}"] if fault else []
        begun = [self.record.events.get((lifecycle.STOPPING, turn), 0) for turn in range(1, end.turn + 1)]
        if max(begun) > 1:
            yield f"began the stops of its ends {begun} times"
        early = [stop for stop in done if stop.created_at < end.ends_at]
        if early:
            yield f"was stopped by {early[0].id}, which is before its end at {end.ends_at}"
        if end.state in {EndState.STOPPED, EndState.GONE} and not stops:
            yield f"is {end.state.value} and was not stopped"

    def _deletion(self, end: ServerEnd) -> Iterator[str]:
        """Its deletion is asked for once, and done where people approved it, and nowhere else."""
        count, deletions = self._count(DELETE), self.record.deletions
        if len(deletions) > 1 or len(self.record.asked) != len(deletions):
            yield f"asked for its deletion in {len(deletions)} changes and {len(self.record.asked)} records"
        if bool(deletions) is not bool(end.delete_id):
            yield f"names {end.delete_id or 'no deletion'}, and there are {len(deletions)}"
        for deletion in deletions:
            fault = effect_fault(deletion, count)
            if fault:
                yield f"has {deletion.id}: {fault}"
            approved = [vote for vote in deletion.votes if vote.verdict is Verdict.APPROVE]
            if count and not (approved and self.item.is_deleted):
                yield f"was deleted without an approval, by {deletion.id}"
        if count and not deletions:
            yield "was deleted, and no one asked for that"
        if (end.state is EndState.GONE) is not bool(count):
            yield f"is {end.state.value}, and was deleted {count} times"

    def _reminders(self, end: ServerEnd) -> Iterator[str]:
        """Its owner is reminded once of each end at most, in its thread and directly.

        A reminder is not posted any more once the server is kept or gone.
        """
        reminders = [self.record.events.get((lifecycle.REMINDED, turn), 0) for turn in range(1, end.turn + 1)]
        most = sum(reminders)
        least = most if end.turn == 1 and end.state is not EndState.GONE else 0
        if max(reminders) > 1 or not all(least <= count <= most for count in self.record.notices):
            yield f"has {reminders} reminders of its ends, of which {self.record.notices} are posted"


def judge_ends(
    items: Sequence[ServerEndItem], records: Mapping[str, EndRecord], spans: Sequence[BusySpan]
) -> CrashVerdict:
    """Judge all servers with an end of a run; counted are what was done about them, in place of states."""
    verdict = CrashVerdict()
    for item in items:
        own = [span for span in spans if span.hostname == item.hostname]
        counts = Counter(span.operation for span in own)
        verdict.twice += sum(count > 1 for count in counts.values())
        record = records.get(item.key)
        if record is None:
            verdict.lost += 1
            continue
        verdict.states.update(_acts(record, counts))
        verdict.wrong += EndJudge(item, record, own).judge()
    if items and not verdict.states[ASKED]:
        verdict.wrong.append("no server was stopped at its end, and asked for its deletion")
    return verdict


def _acts(record: EndRecord, effects: Mapping[str, int]) -> dict[str, int]:
    acts = {
        "made": effects.get("create", 0),
        "reminded": record.notices[0],
        "stopped": effects.get(STOP, 0),
        ASKED: len(record.deletions),
        "deleted": effects.get(DELETE, 0),
    }
    return {name: count for name, count in acts.items() if count}
