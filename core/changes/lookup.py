"""What a look at the provider says of a change that was sent; pure.

A change that was clearly accepted is watched until it settles. One whose answer never came is
looked up: found done, found under way, or, after a settling time, found not done. Where the look
cannot tell, a person is asked. Nothing is ever sent again from here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from core.changes.model import Change, State
from core.operations import OPERATIONS
from core.operations.registry import Observation, Progress
from core.timing import Timing
from core.wayscloud.models import Server, Usage


class Finding(StrEnum):
    """What to do with a change after a look."""

    WAIT = "wait"
    NEEDS_SERVER = "needs_server"
    NEEDS_USAGE = "needs_usage"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ADOPTED = "adopted"  # an unclear change is under way after all
    OVERDUE = "overdue"
    NEEDS_PERSON = "needs_person"


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, the server it is about, and the reason in words."""

    finding: Finding
    server: Server | None = None
    note: str = ""
    unseen: bool = False  # it was accepted, and nothing that the API tells shows whether it was done


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the whole fleet. `complete` says that every entry was received and read."""

    servers: Sequence[Server]
    complete: bool
    now: datetime
    away: frozenset[str] = frozenset()  # changes whose server an earlier look saw down or on its way
    moved: frozenset[str] = frozenset()  # those of which an earlier look saw that in the `status`
    full: frozenset[str] = frozenset()  # servers that were read by themselves
    waited: Mapping[str, float] = field(default_factory=dict)  # seconds each change was looked at, by a steady clock

    def with_full(self, server: Server) -> "Look":
        """Return this look with one server as it was read by itself."""
        servers = [server if one.id == server.id else one for one in self.servers]
        return replace(self, servers=servers, full=self.full | {server.id})


def judge(change: Change, look: Look, usage: Usage | None, timing: Timing) -> Found:
    """Say what a look means for a change that is being watched or looked up."""
    if change.state is State.UNKNOWN:
        return _look_up(change, look, usage, timing)
    return _watch(change, look, usage, timing)


def age(change: Change, now: datetime) -> float:
    """Return the seconds since the change was sent, by the time of day."""
    return (now - (change.sent_at or change.updated_at)).total_seconds()


def elapsed(change: Change, look: Look) -> float:
    """Return the seconds that the change was waited for.

    A time of day that jumps must not end anybody's patience: it counts no more than was really waited here.
    """
    told = age(change, look.now)
    return min(told, look.waited.get(change.id, told))


def limit(change: Change, timing: Timing) -> float:
    """Return the seconds after which a change takes longer than it should."""
    return timing.create_limit if change.operation == "create" else timing.power_limit


def _watch(change: Change, look: Look, usage: Usage | None, timing: Timing) -> Found:
    age = elapsed(change, look)
    wanted = change.target.id or str(change.result.get("id", ""))
    server = next((s for s in look.servers if s.id == wanted), None)
    if server is None:
        if look.complete and age > timing.missing_limit:
            return Found(Finding.FAILED, note="the server is not in the provider's list any more")
        return _late(change, age, timing)
    progress = _progress(change, server, usage, look)
    if progress in LACKING:
        return Found(LACKING[progress], server)
    match progress:
        case Progress.UNSEEN:
            return unseen(change, server, look, timing)
        case Progress.SETTLED:
            return Found(Finding.SUCCEEDED, server)
        case Progress.FAILED:
            return Found(Finding.FAILED, server, f"the provider reports {server.status}")
        case _ if age > limit(change, timing) and _begun_since(change, usage, look):
            return Found(Finding.SUCCEEDED, server, "told by its uptime, which is younger than the request")
        case _:
            return _late(change, age, timing)


LACKING: Final = {Progress.NEEDS_SERVER: Finding.NEEDS_SERVER, Progress.NEEDS_USAGE: Finding.NEEDS_USAGE}


def _late(change: Change, age: float, timing: Timing) -> Found:
    if change.overdue:
        return (
            Found(Finding.FAILED, note="it did not get there in a day") if age > timing.give_up else Found(Finding.WAIT)
        )
    return Found(Finding.OVERDUE) if age > limit(change, timing) else Found(Finding.WAIT)


def unseen(change: Change, server: Server, look: Look, timing: Timing) -> Found:
    """End an accepted change that nothing can show, once what would have shown it had time to."""
    patience = timing.unseen_limit if change.operation == "reboot" else limit(change, timing)
    if elapsed(change, look) <= patience:
        return Found(Finding.WAIT)
    what = f"a {change.operation} can be seen"
    return Found(
        Finding.SUCCEEDED, server, f"WAYSCloud accepted it. This API shows nothing by which {what}.", unseen=True
    )


def _progress(change: Change, server: Server, usage: Usage | None, look: Look) -> Progress:
    settled = OPERATIONS[change.operation].settled
    if settled is None:
        return Progress.SETTLED
    return settled(
        Observation(
            server=server,
            usage=usage,
            last_uptime=change.last_uptime,
            sent_at=change.sent_at or change.updated_at,
            now=look.now,
            was_away=change.id in look.away,
            status_moved=change.id in look.moved,
            in_full=server.id in look.full,
            waited=elapsed(change, look),
        )
    )


def _look_up(change: Change, look: Look, usage: Usage | None, timing: Timing) -> Found:
    if change.operation == "create":
        return _look_up_create(change, look, timing)
    return _look_up_power(change, look, usage, timing)


def _look_up_create(change: Change, look: Look, timing: Timing) -> Found:
    """Find the server by hostname and age: there was none by that name when the change was sent."""
    named = [s for s in look.servers if s.hostname.lower() == change.target.hostname]
    twins = [s for s in named if _young(s, change, timing)]
    if len(twins) == 1:
        return Found(Finding.ADOPTED, twins[0], "found in the provider's list by its hostname")
    if twins:
        return Found(Finding.NEEDS_PERSON, note=f"{len(twins)} new servers are called {change.target.hostname}")
    if elapsed(change, look) <= timing.create_lookup:
        return Found(Finding.WAIT)
    if named:
        return Found(
            Finding.NEEDS_PERSON, note=f"a server called {change.target.hostname} seems older than this change"
        )
    if not look.complete:
        return Found(
            Finding.NEEDS_PERSON, note="the provider's list is incomplete, so nothing follows from its silence"
        )
    return Found(Finding.FAILED, note="no server by that hostname appeared. Look once more before you ask again")


def _young(server: Server, change: Change, timing: Timing) -> bool:
    if server.created_at is None or change.sent_at is None:
        return True
    return (change.sent_at - server.created_at).total_seconds() <= timing.clock_skew


def _look_up_power(change: Change, look: Look, usage: Usage | None, timing: Timing) -> Found:
    patient = elapsed(change, look) <= timing.power_lookup
    server = next((s for s in look.servers if s.id == change.target.id), None)
    if server is None:
        return Found(Finding.WAIT) if patient else Found(Finding.NEEDS_PERSON, note="the server is not in the list")
    progress = _progress(change, server, usage, look)
    if progress in LACKING:
        return Found(LACKING[progress], server)
    if progress is Progress.SETTLED:
        return Found(Finding.SUCCEEDED, server, "found done")
    if server.pending:
        return Found(Finding.ADOPTED, server, f"found under way ({server.state})")
    if patient:
        return Found(Finding.WAIT)
    if progress is Progress.UNSEEN:
        what = "the server's uptime" if change.operation == "reboot" else "whether the server runs"
        return Found(Finding.NEEDS_PERSON, server, f"this API does not tell {what}")
    if _begun_since(change, usage, look):
        return Found(Finding.NEEDS_PERSON, server, "the server was started after this was sent, or the clock was set")
    return Found(Finding.FAILED, server, f"it was not carried out: the server is {server.state} as before")


def _begun_since(change: Change, usage: Usage | None, look: Look) -> bool:
    """Say whether a server came up after its reboot was sent, by the time of day.

    Nobody may have looked while its uptime was below the one before. A date that was set tells the same,
    so this counts only where patience is over.
    """
    uptime = usage.uptime_seconds if usage is not None and change.operation == "reboot" else None
    return uptime is not None and uptime < age(change, look.now)
