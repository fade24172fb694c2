"""The next member of a plan that cannot begin yet: since when, for what, and until when it may wait.

It is stored with the member, so that a process that takes the plan over does not forget it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from vpsops.core.common.text import moment, one_line
from vpsops.core.common.timings import PLAN_BUSY_SECONDS
from vpsops.core.plans.model import PlanMember
from vpsops.core.plans.tally import PlanTally

LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class MemberWait:
    """What the next member of a plan waits for; `until` is None while others of its plan run, which may end it."""

    member: PlanMember
    why: str
    since: datetime
    until: datetime | None

    def is_over(self, now: datetime) -> bool:
        """Return whether it has waited for as long as it may."""
        return self.until is not None and now >= self.until

    @property
    def words(self) -> str:
        """The wait as people read it: `web04 waits since … UTC: 1 of tier=web are down …; it fails at … UTC`."""
        name, why = one_line(self.member.target.hostname, 120), one_line(self.why, LONGEST_REASON)
        end = f"it fails at {moment(self.until)} if that stays" if self.until else "its time counts once no other runs"
        return f"{name} waits since {moment(self.since)}: {why}; {end}"


def wait_of(tally: PlanTally, now: datetime) -> MemberWait | None:
    """Return the wait of a plan's next member, None where it does not wait; a date that was set back adds no end."""
    member = tally.next
    if member is None or not member.note or member.moved_at is None:
        return None
    ended = tally.last_end if tally.last_end is not None and tally.last_end <= now else member.moved_at
    until = max(member.moved_at, ended) + timedelta(seconds=PLAN_BUSY_SECONDS)
    return MemberWait(member, member.note, member.moved_at, None if tally.running else until)


def since_when(member: PlanMember, now: datetime) -> datetime:
    """Return since when a member waits: its first try, or now where the date was set back behind that."""
    return min(member.moved_at, now) if member.note and member.moved_at is not None else now
