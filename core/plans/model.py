r"""A plan's members and options, and the life of a member as a table.

    waiting -> running -> done
        |          |----> failed
        |          \----> unclear (a person has to say what became of it)
        |-> skipped (its server left or changed, or another change holds it)
        |-> failed  (it could not begin)
        \-> not_run (the plan stopped before)

The plan itself is a change: it is held, approved, then watched while its members run. A member that runs is a change of
its own; the table is about its part in the plan.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from vpsops.core.changes.model import Change, State, check_table
from vpsops.core.common.json_types import Json
from vpsops.core.operations.target import Target, is_plan
from vpsops.core.plans.steps import StepPart
from vpsops.core.schedule.model import closed_window

DEFAULT_MOST: Final = 20
"""The most servers of a plan, where the limit `max_many` says no other number."""
STOP: Final = "stop"
"""Key of a plan's result: who asked it to stop."""


class MemberState(StrEnum):
    """How far a member of a plan is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNCLEAR = "unclear"
    SKIPPED = "skipped"
    NOT_RUN = "not_run"

    @property
    def is_final(self) -> bool:
        """Return whether nothing follows."""
        return not STEPS[self]


STEPS: Mapping[MemberState, frozenset[MemberState]] = {
    MemberState.WAITING: frozenset({MemberState.RUNNING, MemberState.SKIPPED, MemberState.FAILED, MemberState.NOT_RUN}),
    MemberState.RUNNING: frozenset({MemberState.DONE, MemberState.FAILED, MemberState.UNCLEAR}),
    MemberState.DONE: frozenset(),
    MemberState.FAILED: frozenset(),
    MemberState.UNCLEAR: frozenset(),
    MemberState.SKIPPED: frozenset(),
    MemberState.NOT_RUN: frozenset(),
}
BAD: Final = frozenset({MemberState.FAILED, MemberState.UNCLEAR})
"""The states that `stop_after` counts."""


def check_member_step(before: MemberState, after: MemberState) -> None:
    """Raise `IllegalStepError` unless the table has this step."""
    check_table(STEPS, before, after)


@dataclass(frozen=True, slots=True)
class PlanMember:
    """One server of a plan: what is done to it, what was shown of it, and how far it is."""

    ordinal: int
    operation: str
    arguments: Mapping[str, Json]
    target: Target
    digest: str
    state: MemberState = MemberState.WAITING
    change_id: str = ""
    note: str = ""
    moved_at: datetime | None = None
    part: StepPart | None = None  # of a runbook

    @property
    def compensates(self) -> bool:
        """Return whether it is done only where a step of its runbook fails."""
        return self.part is not None and self.part.compensates

    @property
    def digests(self) -> frozenset[str]:
        """The digests of what was shown of it: it begins as one of these, or not at all."""
        return frozenset({self.digest, *(self.part.alternatives if self.part is not None else ())})


def digest_of_members(members: Sequence[PlanMember]) -> str:
    """Hash all members in their order, each with the digest of what was shown of it."""
    return _hashed([_content(member) for member in members])


def digest_of_member(member: PlanMember) -> str:
    """Hash what the digest over all members has of one of them."""
    return _hashed(_content(member))


def _hashed(content: Json) -> str:
    return hashlib.sha256(
        json.dumps(content, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    ).hexdigest()


def _content(member: PlanMember) -> list[Json]:
    return [member.operation, member.target.id, member.target.hostname, member.digest, *_part_content(member)]


def _part_content(member: PlanMember) -> list[Json]:
    return [member.part.stored] if member.part is not None else []


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How a plan runs.

    `at_once` members at a time, `pause` seconds after the end of one before the next begins. After `stop_after` members
    that failed or have an unknown outcome no other begins. `probe` is asked of each server after it settled: `tcp:22`,
    `http:80/health`.
    """

    at_once: int = 1
    pause: int = 0
    stop_after: int = 1
    probe: str = ""

    @property
    def stored(self) -> dict[str, Json]:
        """The options as a plan's arguments hold them."""
        values: dict[str, Json] = {"at_once": self.at_once, "pause": self.pause, "stop_after": self.stop_after}
        return values | ({"probe": self.probe} if self.probe else {})


def options_of(change: Change) -> PlanOptions:
    """Return the options of a stored plan."""
    stored = change.arguments
    at_once, pause, stop_after = (stored.get(name) for name in ("at_once", "pause", "stop_after"))
    return PlanOptions(
        _number(at_once, 1), _number(pause, 0), _number(stop_after, 1), probe=str(stored.get("probe") or "")
    )


def _number(value: Json, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def is_running_plan(change: Change) -> bool:
    """Return whether a change is a plan that runs."""
    return is_plan(change.operation) and change.state is State.WATCHING


def is_stopping(change: Change) -> bool:
    """Return whether someone asked a running plan to begin no other member."""
    return STOP in change.result


def begins_no_more(change: Change, now: datetime) -> bool:
    """Return whether no other member of a plan begins: someone asked it to stop, or its window has closed."""
    return is_stopping(change) or bool(closed_window(change.schedule, now))


def stop_words(change: Change) -> str:
    """Return who asked a plan to stop, or ""."""
    stop = change.result.get(STOP)
    return str(stop.get("by") or "") if isinstance(stop, Mapping) else ""
