"""How a crash run goes, what came of it, and the table of results."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.crash.checks.cards import CardCheck
from tests.crash.checks.changes import CrashVerdict


@dataclass(frozen=True, slots=True)
class CrashRun:
    """How a run goes: `freeze` stops and wakes processes instead of killing them.

    With `members`, so many members of plans have to begin, and every kill falls while a plan runs.
    """

    database: str
    seed: int
    changes: int
    kills: int
    freeze: bool = False
    hold_seconds: float = 20.0  # unconfirmed holds expire after these
    plans: int = 0  # of ten servers each, some of which are denied, stopped or left
    members: int = 0  # of further plans of ten, which all run to their ends
    ends: int = 0  # servers with an end
    most_gap_seconds: float = 8.0  # between two kills


@dataclass(frozen=True, slots=True)
class Disturbances:
    """The kills or freezes of a run: how many, how many of them while a plan ran, and the starts between them."""

    count: int = 0
    beside_plans: int = 0
    due_plans: int = 0  # scheduled plans that started as their times came, after the first and before the last kill


@dataclass(slots=True)
class CrashResult:
    """What came of a run; `seconds` include everything."""

    run: CrashRun
    verdict: CrashVerdict
    plans: CrashVerdict
    ends: CrashVerdict
    members: Counter[str]  # of plans, by their states
    begun: int  # members with a change of their own
    audit_faults: list[str]
    cards: CardCheck
    unsent: list[str]  # messages that are not delivered
    disturbed: Disturbances = field(default_factory=Disturbances)
    died: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def wrong(self) -> list[str]:
        """Every sentence of what went wrong."""
        verdicts = (self.verdict, self.plans, self.ends)
        parts = [*(verdict.wrong for verdict in verdicts), self.audit_faults, self.cards.wrong, self.unsent, self.died]
        return [*self.shortfalls, *(sentence for part in parts for sentence in part)]

    @property
    def shortfalls(self) -> list[str]:
        """What the run was to show, and did not."""
        run, disturbed = self.run, self.disturbed
        if not run.members:
            return []
        promised = (
            ("members of plans began", self.begun, run.members),
            ("kills fell while a plan ran", disturbed.beside_plans, run.kills),
            ("scheduled plans started between kills", disturbed.due_plans, 1),
        )
        return [f"{count} {what}, and not {least}" for what, count, least in promised if count < least]

    @property
    def lost(self) -> int:
        """Changes, members and servers with an end that are not there."""
        return self.verdict.lost + self.plans.lost + self.ends.lost

    @property
    def twice(self) -> int:
        """Effects that the provider counted more than once."""
        return self.verdict.twice + self.plans.twice + self.ends.twice

    @property
    def is_good(self) -> bool:
        """Return whether nothing went wrong."""
        return not (self.lost or self.twice or self.cards.twice or self.wrong)


def describe(results: Sequence[CrashResult]) -> str:
    """Return the results as a table."""
    rows = [_cells(result) for result in results]
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(result: CrashResult) -> dict[str, str]:
    run, cards, disturbed = result.run, result.cards, result.disturbed
    wrong = len(result.verdict.wrong + result.plans.wrong + result.ends.wrong + result.unsent + result.shortfalls)
    return {
        "database": run.database.split(":", 1)[0],
        "seed": str(run.seed),
        "disturbed": f"{disturbed.count} {'frozen' if run.freeze else 'killed'}",
        "beside plans": str(disturbed.beside_plans),
        "lost": str(result.lost),
        "done twice": str(result.twice),
        "wrong end": str(wrong),
        "audit faults": str(len(result.audit_faults)),
        "cards wrong": f"{len(cards.wrong)} of {cards.count}",
        "cards twice": str(cards.twice),
        "changes": f"{run.changes}: {_counted(result.verdict.states)}",
        "plans": _counted(result.plans.states),
        "started between kills": str(disturbed.due_plans),
        "members": f"{result.begun} begun: {_counted(result.members)}",
        "servers with an end": _counted(result.ends.states),
        "s": f"{result.seconds:.0f}",
    }


def _counted(states: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(states.items())) or "-"
