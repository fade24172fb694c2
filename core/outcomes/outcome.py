"""The outcome of a sent change, from a poll of the provider.

A change that was clearly accepted is watched until it settles. One without an answer, or with a refusal, is
searched for: found done, found under way, or, after a settling time, found not done. Where the poll is
inconclusive, a person is asked. Only a change that the provider refused for now, and of which polls find no trace,
is sent again.

A list that does not have a server proves nothing by itself: the server is read by its id
(`vpsops.core.outcomes.absence`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from vpsops.core.changes.model import Change, Refusal, State
from vpsops.core.common.json_types import Json
from vpsops.core.common.timings import Timing
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.registry import Observation, Progress
from vpsops.core.operations.traits import makes_server, removes, shows_by_uptime
from vpsops.core.outcomes.strangers import strangers
from vpsops.core.wayscloud.answers.hostnames import same_hostname
from vpsops.core.wayscloud.answers.models import Server, Usage


class OutcomeKind(StrEnum):
    """The next action for a change after a poll."""

    WAIT = "wait"
    NEEDS_SERVER = "needs_server"
    NEEDS_USAGE = "needs_usage"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ADOPTED = "adopted"  # an unclear change is under way after all
    OVERDUE = "overdue"
    NEEDS_PERSON = "needs_person"
    SEND_AGAIN = "send_again"  # it was refused for now, and nothing of it is seen


@dataclass(frozen=True, slots=True)
class OutcomeFinding:
    """A finding, the server it is about, and the reason as text."""

    finding: OutcomeKind
    server: Server | None = None
    note: str = ""
    result: Mapping[str, Json] = field(default_factory=dict)  # what an inspection read, to be stored
    unseen: bool = False  # it was accepted, and no field of the API shows whether it was done


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    """One poll of the whole fleet. `complete` means that every entry was received and read.

    `absent` holds the changes with a server that is not listed and answers 404 by its id, with the seconds that it has
    done so. One that is neither listed nor absent could not be read.
    """

    servers: Sequence[Server]
    complete: bool
    now: datetime
    away: frozenset[str] = frozenset()  # changes with a server that an earlier poll saw off or pending
    moved: frozenset[str] = frozenset()  # those for which an earlier poll saw that in the `status`
    full: frozenset[str] = frozenset()  # servers that were read by themselves
    waited: Mapping[str, float] = field(default_factory=dict)  # seconds each change was polled for, by a steady clock
    taken_at: float | None = None  # `now` by a steady clock
    usage_lag: float = 0.0  # seconds from `now` until the usage of the change's server was received
    absent: Mapping[str, float] = field(default_factory=dict)
    ours: frozenset[str] = frozenset()  # ids and hostnames that our changes are about; read for unclear creates alone

    def with_full(self, server: Server) -> "FleetSnapshot":
        """Return this poll with one server as it was read by itself."""
        servers = [server if listed.id == server.id else listed for listed in self.servers]
        return replace(self, servers=servers, full=self.full | {server.id})


def determine_outcome(change: Change, snapshot: FleetSnapshot, usage: Usage | None, timing: Timing) -> OutcomeFinding:
    """Return a poll's meaning for a change that is being watched, or has an unknown outcome."""
    if change.state is State.UNKNOWN:
        return _look_up(change, snapshot, usage, timing)
    return _watch(change, snapshot, usage, timing)


def age(change: Change, now: datetime) -> float:
    """Return the seconds since the change was sent, by the time of day."""
    return (now - (change.sent_at or change.updated_at)).total_seconds()


def elapsed(change: Change, snapshot: FleetSnapshot) -> float:
    """Return the seconds that the change was waited for.

    A time of day that jumps must not end a wait: it counts for no more than was really waited here.
    """
    seconds = age(change, snapshot.now)
    return min(seconds, snapshot.waited.get(change.id, seconds))


def limit(change: Change, timing: Timing) -> float:
    """Return the seconds after which a change takes longer than it should."""
    return timing.limit(OPERATIONS[change.operation].pace)


def _watch(change: Change, snapshot: FleetSnapshot, usage: Usage | None, timing: Timing) -> OutcomeFinding:
    age = elapsed(change, snapshot)
    server = _own(change, snapshot, timing)
    if server is None:
        return _missing(change, snapshot, timing)
    progress = _progress(change, server, usage, snapshot)
    if progress in LACKING:
        return OutcomeFinding(LACKING[progress], server)
    match progress:
        case Progress.UNSEEN:
            return unseen(change, server, snapshot, timing)
        case Progress.SETTLED:
            return OutcomeFinding(OutcomeKind.SUCCEEDED, server)
        case Progress.FAILED:
            return OutcomeFinding(OutcomeKind.FAILED, server, f"the provider reports {server.status}")
        case _ if age > limit(change, timing) and _has_begun_since(change, usage, snapshot):
            return OutcomeFinding(OutcomeKind.SUCCEEDED, server, "shown by its uptime, which began after the request")
        case _:
            return _late(change, age, timing)


LIFE_CYCLE: Final = "active"
GONE: Final = "The provider answers 404 for {id}, and its list does not have it."
LACKING: Final = {Progress.NEEDS_SERVER: OutcomeKind.NEEDS_SERVER, Progress.NEEDS_USAGE: OutcomeKind.NEEDS_USAGE}


def target_server_id(change: Change) -> str:
    """Return the id of the server that a change is about; empty for a create that was not answered."""
    return change.target.id or str(change.result.get("id", ""))


def is_about(change: Change, server: Server) -> bool:
    """Return whether a server with the id of a change can be its server: for a create, the name must match too."""
    return not makes_server(change.operation) or same_hostname(server.hostname, change.target.hostname)


def _own(change: Change, snapshot: FleetSnapshot, timing: Timing) -> Server | None:
    """Return a change's server. A create may have been answered with the id of something else, such as an order."""
    ident = target_server_id(change)
    server = next((each for each in snapshot.servers if each.id == ident), None)
    if not makes_server(change.operation) or (server is not None and is_about(change, server)):
        return server
    named = _named(change, snapshot, timing)
    return named[0] if len(named) == 1 else None


def _named(change: Change, snapshot: FleetSnapshot, timing: Timing) -> list[Server]:
    same = (server for server in snapshot.servers if same_hostname(server.hostname, change.target.hostname))
    return [server for server in same if _is_young(server, change, timing)]


def _missing(change: Change, snapshot: FleetSnapshot, timing: Timing) -> OutcomeFinding:
    """Return the outcome where a watched server is not listed: only an id that answers 404 for long is gone."""
    if removes(change.operation):
        return _removed(change, snapshot, timing)
    creates = makes_server(change.operation)
    patience = timing.create_limit if creates else timing.missing_limit
    stranger = next((server for server in snapshot.servers if server.id == target_server_id(change)), None)
    absent = snapshot.absent.get(change.id)
    if stranger is None and absent is None:
        return _late(change, elapsed(change, snapshot), timing)
    if elapsed(change, snapshot) <= patience or (absent is not None and absent <= patience):
        return OutcomeFinding(OutcomeKind.WAIT)
    ident = target_server_id(change)
    if stranger is not None:
        note = f"the id that the provider gave, {ident}, is that of {stranger.hostname}, and nothing has the name"
        return OutcomeFinding(OutcomeKind.NEEDS_PERSON, note=note)
    gone = f"the provider answers 404 for {ident}"
    unsure = creates and (_unsure(change, snapshot, timing) or _several(change, snapshot, timing))
    if unsure:
        return OutcomeFinding(OutcomeKind.NEEDS_PERSON, note=f"{gone}; {unsure}")
    return OutcomeFinding(OutcomeKind.FAILED, note=f"{gone}, and its list does not have the server")


def _removed(change: Change, snapshot: FleetSnapshot, timing: Timing) -> OutcomeFinding:
    """Return the outcome of a removal where the server is not there: gone for long by its id, and from a whole list."""
    absent = snapshot.absent.get(change.id)
    if absent is None or not snapshot.complete:
        return _late(change, elapsed(change, snapshot), timing)
    if absent <= timing.missing_limit or elapsed(change, snapshot) <= timing.missing_limit:
        return OutcomeFinding(OutcomeKind.WAIT)
    return OutcomeFinding(OutcomeKind.SUCCEEDED, note=GONE.format(id=target_server_id(change)))


def _several(change: Change, snapshot: FleetSnapshot, timing: Timing) -> str:
    count = len(_named(change, snapshot, timing))
    return f"{count} new servers are called {change.target.hostname}" if count > 1 else ""


def _unsure(change: Change, snapshot: FleetSnapshot, timing: Timing) -> str:
    """Return why a list without a server of a create's name does not prove that none was made; empty where it does."""
    if not snapshot.complete:
        return "the provider's list is incomplete, so nothing follows from its silence"
    earliest = change.sent_at - timedelta(seconds=timing.clock_skew) if change.sent_at is not None else None
    candidates = strangers(change, snapshot.servers, snapshot.ours, earliest)
    if not candidates:
        return ""
    names = ", ".join(f"{server.hostname} ({server.id})" for server in candidates[:3])
    return f"no server is called {change.target.hostname}, but a new one fits what was ordered: {names}"


def _late(change: Change, age: float, timing: Timing) -> OutcomeFinding:
    if not change.overdue:
        return OutcomeFinding(OutcomeKind.OVERDUE) if age > limit(change, timing) else OutcomeFinding(OutcomeKind.WAIT)
    if age <= timing.give_up:
        return OutcomeFinding(OutcomeKind.WAIT)
    if makes_server(change.operation):  # it was accepted, so it may cost money
        return OutcomeFinding(
            OutcomeKind.NEEDS_PERSON, note="the provider accepted it, and it did not get there in a day"
        )
    return OutcomeFinding(OutcomeKind.FAILED, note="it did not get there in a day")


def unseen(change: Change, server: Server, snapshot: FleetSnapshot, timing: Timing) -> OutcomeFinding:
    """End an accepted change that nothing can show, once its signs had time to appear."""
    patience = timing.unseen_limit if shows_by_uptime(change.operation) else limit(change, timing)
    if elapsed(change, snapshot) <= patience:
        return OutcomeFinding(OutcomeKind.WAIT)
    what = f"a {change.operation.replace('_', ' ')} can be seen"
    return OutcomeFinding(
        OutcomeKind.SUCCEEDED, server, f"WAYSCloud accepted it. This API shows nothing by which {what}.", unseen=True
    )


def _progress(change: Change, server: Server, usage: Usage | None, snapshot: FleetSnapshot) -> Progress:
    settled = OPERATIONS[change.operation].settled
    if removes(change.operation):
        return Progress.PENDING  # it is there
    if settled is None:
        return Progress.SETTLED
    return settled(
        Observation(
            server=server,
            usage=usage,
            last_uptime=change.last_uptime,
            sent_at=change.sent_at or change.updated_at,
            now=snapshot.now,
            was_away=change.id in snapshot.away,
            status_moved=change.id in snapshot.moved,
            in_full=server.id in snapshot.full,
            waited=elapsed(change, snapshot),
        )
    )


def _look_up(change: Change, snapshot: FleetSnapshot, usage: Usage | None, timing: Timing) -> OutcomeFinding:
    if makes_server(change.operation):
        return _look_up_create(change, snapshot, timing)
    return _look_up_power(change, snapshot, usage, timing)


def _look_up_create(change: Change, snapshot: FleetSnapshot, timing: Timing) -> OutcomeFinding:
    """Find the server by hostname and age: there was none by that name when the change was sent."""
    name = change.target.hostname
    twins = _named(change, snapshot, timing)
    if len(twins) == 1:
        return OutcomeFinding(OutcomeKind.ADOPTED, twins[0], "found in the provider's list by its hostname")
    if twins:
        return OutcomeFinding(OutcomeKind.NEEDS_PERSON, note=_several(change, snapshot, timing))
    short = change.refusal is not None and not change.refusal.doubtful
    if elapsed(change, snapshot) <= (timing.refusal_lookup if short else timing.create_lookup):
        return OutcomeFinding(OutcomeKind.WAIT)
    if any(same_hostname(server.hostname, name) for server in snapshot.servers):
        return OutcomeFinding(OutcomeKind.NEEDS_PERSON, note=f"a server called {name} seems older than this change")
    unsure = _unsure(change, snapshot, timing)
    if unsure:
        return OutcomeFinding(OutcomeKind.NEEDS_PERSON, note=unsure)
    if change.refusal is not None:
        return refused(change.refusal, None)
    return OutcomeFinding(
        OutcomeKind.FAILED, note="no server by that hostname appeared. Look once more before you ask again"
    )


def refused(refusal: Refusal, server: Server | None) -> OutcomeFinding:
    """Accept the provider's refusal: polls found no trace of an effect."""
    if refusal.again:
        return OutcomeFinding(
            OutcomeKind.SEND_AGAIN, server, f"{refusal.message} Checks found no trace of it; it is sent again."
        )
    return OutcomeFinding(OutcomeKind.FAILED, server, f"{refusal.message} Checks found no trace of it.")


def _is_young(server: Server, change: Change, timing: Timing) -> bool:
    if server.created_at is None or change.sent_at is None:
        return True
    return (change.sent_at - server.created_at).total_seconds() <= timing.clock_skew


def _look_up_power(change: Change, snapshot: FleetSnapshot, usage: Usage | None, timing: Timing) -> OutcomeFinding:
    refusal = change.refusal
    server = _own(change, snapshot, timing)
    patient = elapsed(change, snapshot) <= _patience(change, server, timing)
    if server is None:
        return OutcomeFinding(OutcomeKind.WAIT) if patient else _not_found(change, snapshot)
    progress = _progress(change, server, usage, snapshot)
    if progress in LACKING:
        return OutcomeFinding(LACKING[progress], server)
    if progress is Progress.SETTLED:
        return OutcomeFinding(OutcomeKind.SUCCEEDED, server, "found done")
    if server.pending and not (refusal is not None and server.state == change.target.state):
        return OutcomeFinding(OutcomeKind.ADOPTED, server, f"found under way ({server.state})")
    return OutcomeFinding(OutcomeKind.WAIT) if patient else _not_seen(change, server, usage, snapshot, progress)


def _patience(change: Change, server: Server | None, timing: Timing) -> float:
    """Return the seconds that an effect may take to show.

    A refusal is believed soon where an effect in progress would be seen: not for a reboot, which shows once it is over,
    and not where `active` is the only status reported of a server that is on, off or between them.
    """
    shows = server is None or (not shows_by_uptime(change.operation) and server.status != LIFE_CYCLE)
    return timing.refusal_lookup if change.refusal is not None and shows else timing.power_lookup


def _not_seen(
    change: Change, server: Server, usage: Usage | None, snapshot: FleetSnapshot, progress: Progress
) -> OutcomeFinding:
    """Conclude from a server without a trace of a change, after the time limit."""
    refusal = change.refusal
    if progress is Progress.UNSEEN:
        return _unreported(change, server)
    if _has_begun_since(change, usage, snapshot, lag=snapshot.usage_lag):
        return OutcomeFinding(
            OutcomeKind.NEEDS_PERSON, server, "the server was started after this was sent, or the clock was set"
        )
    if not shows_by_uptime(change.operation) and server.id not in snapshot.full:
        return OutcomeFinding(OutcomeKind.NEEDS_SERVER, server)  # the list may be behind: its silence proves nothing
    if refusal is not None:
        return refused(refusal, server)
    return OutcomeFinding(OutcomeKind.FAILED, server, f"it was not carried out: the server is {server.state} as before")


def _not_found(change: Change, snapshot: FleetSnapshot) -> OutcomeFinding:
    if change.id not in snapshot.absent:
        return OutcomeFinding(
            OutcomeKind.NEEDS_PERSON, note="the server is not in the list, and cannot be read by its id"
        )
    if removes(change.operation) and snapshot.complete:
        return OutcomeFinding(OutcomeKind.SUCCEEDED, note=GONE.format(id=target_server_id(change)))
    if change.refusal is not None and not removes(change.operation):
        return OutcomeFinding(OutcomeKind.FAILED, note=f"{change.refusal.message} The server is not there any more.")
    return OutcomeFinding(OutcomeKind.NEEDS_PERSON, note="the server is not in the list, and its id answers 404")


def _unreported(change: Change, server: Server) -> OutcomeFinding:
    what = "the server's uptime" if shows_by_uptime(change.operation) else "whether the server runs"
    if change.refusal is None:
        return OutcomeFinding(OutcomeKind.NEEDS_PERSON, server, f"this API does not report {what}")
    note = f"{change.refusal.message} This API does not report {what}, so nothing else shows whether it happened."
    return OutcomeFinding(OutcomeKind.NEEDS_PERSON if change.refusal.doubtful else OutcomeKind.FAILED, server, note)


def _has_begun_since(change: Change, usage: Usage | None, snapshot: FleetSnapshot, *, lag: float = 0.0) -> bool:
    """Return whether a server came up after its reboot was sent, by the time of day.

    Possibly no poll ran while its uptime was below the one before. Setting the server's date has the same effect,
    so this counts only after the time limit. The uptime is of a moment between the poll and `lag` seconds after it:
    without `lag` a reboot is certain, with it the absence of one is.
    """
    uptime = usage.uptime_seconds if usage is not None and shows_by_uptime(change.operation) else None
    return uptime is not None and uptime < age(change, snapshot.now) + lag
