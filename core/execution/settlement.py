"""The settlement of a poll: the list settles changes at once; other servers are read in addition, each by itself.

A server that does not answer holds up its own change and no other. Its first read is limited to the poll's budget;
later ones run apart from the polls, with a longer timeout each time.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeVar

import anyio
import structlog
from anyio.abc import TaskGroup
from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import KNOWN, REFUSAL, Change, State
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StaleChangeError, StorageError
from vpsops.core.common.supervision import error_id_of
from vpsops.core.common.timings import Timing
from vpsops.core.ends.lifecycle import open_end, opening_note, tell_missing
from vpsops.core.messaging import outbox
from vpsops.core.operations.traits import is_inspected, makes_server
from vpsops.core.outcomes.absence import DirectReads, split_by_list
from vpsops.core.outcomes.inspector import Inspector
from vpsops.core.outcomes.outcome import (
    FleetSnapshot,
    OutcomeFinding,
    OutcomeKind,
    age,
    determine_outcome,
    elapsed,
    target_server_id,
)
from vpsops.core.storage.database import Database
from vpsops.core.wayscloud.answers import errors as provider_errors
from vpsops.core.wayscloud.answers.models import Server, Usage
from vpsops.core.wayscloud.client import Wayscloud

logger = structlog.get_logger(__name__)
T = TypeVar("T")
AT_ONCE: Final = 32
APART: Final = 16
"""Reads of servers that were slow before; a read of one that was not has room in addition."""
READ: Final = frozenset({OutcomeKind.NEEDS_SERVER, OutcomeKind.NEEDS_USAGE, OutcomeKind.SUCCEEDED})
"""Findings that take a read of the server: to find out, or to confirm it at the server itself."""


LACKING: Final = frozenset({OutcomeKind.NEEDS_SERVER, OutcomeKind.NEEDS_USAGE})


@dataclass(frozen=True, slots=True)
class ChangeReading:
    """A poll with the additional reads for one change."""

    snapshot: FleetSnapshot
    usage: Usage | None = None

    def with_usage(self, usage: Usage, at: float) -> "ChangeReading":
        """Return this reading with a server's usage, received at `at` by the steady clock."""
        lag = max(at - self.snapshot.taken_at, 0.0) if self.snapshot.taken_at is not None else 0.0
        return replace(self, usage=usage, snapshot=replace(self.snapshot, usage_lag=lag))

    def lacking(self, finding: OutcomeFinding) -> Server | None:
        """Return the server that has to be read for a finding, or nothing where all is read."""
        if finding.server is None or finding.finding not in READ:
            return None
        read = finding.finding is not OutcomeKind.NEEDS_USAGE and finding.server.id in self.snapshot.full
        return None if read else finding.server


@dataclass(slots=True)
class Settlement:
    """Settles changes by the results of polls, and remembers of each how its server answered."""

    database: Database
    api: Wayscloud
    clock: Clock
    timing: Timing
    _since: dict[str, float] = field(default_factory=dict)  # when polls began to agree that it succeeded, by change
    _misses: dict[str, int] = field(default_factory=dict)  # reads in a row that were not answered in time
    _tried: dict[str, float] = field(default_factory=dict)
    _apart: set[str] = field(default_factory=set)
    _direct: DirectReads = field(init=False)
    _inspector: Inspector = field(init=False)

    def __post_init__(self) -> None:
        """Share the parts with the reads of unlisted servers."""
        self._direct = DirectReads(self.api, self.clock, self.timing)
        self._inspector = Inspector(self.api, self.timing, self._conclude_inspected)

    @property
    def needs_another_poll(self) -> bool:
        """Return whether a poll found a success that the next one has to confirm."""
        return bool(self._since)

    async def settle(self, changes: Sequence[Change], snapshot: FleetSnapshot, group: TaskGroup) -> None:
        """Settle what the list and quick reads settle; slow reads continue in `group`. Raises `StorageError`.

        Changes of servers that are not listed come last, and wait for reads by their ids.
        """
        kept = {change.id for change in changes}
        self._forget(kept)
        self._direct.forget(kept)
        inspected = [change for change in changes if is_inspected(change.operation)]
        await self._inspector.settle(inspected, snapshot, group)
        listed, unlisted = split_by_list([change for change in changes if change not in inspected], snapshot)
        await self._settle(listed, snapshot, group)
        if unlisted:
            snapshot = await self._with_ours(unlisted, await self._direct.completed(unlisted, snapshot))
            await self._settle(unlisted, snapshot, group)

    async def _with_ours(self, changes: Sequence[Change], snapshot: FleetSnapshot) -> FleetSnapshot:
        """Add the ids and hostnames of our changes: servers that an unclear create cannot have made."""
        ages = [age(change, snapshot.now) for change in changes if makes_server(change.operation)]
        if not ages:
            return snapshot
        seconds = max(ages) + self.timing.clock_skew
        return replace(
            snapshot, ours=frozenset(await self.database.read(lambda c: repository.touched(c, snapshot.now, seconds)))
        )

    async def _settle(self, changes: Sequence[Change], snapshot: FleetSnapshot, group: TaskGroup) -> None:
        to_read: list[tuple[Change, OutcomeFinding]] = []
        for change in changes:
            finding = self._judge(change, snapshot)
            if finding is None:
                continue
            if finding.finding in READ and finding.server is not None:
                to_read.append((change, finding))
            else:
                self._since.pop(change.id, None)
                await self._each(change, self._conclude(change, finding, snapshot))
        to_read.sort(key=lambda entry: self._tried.get(entry[0].id, 0.0))
        quick = [item for item in to_read if not self._misses.get(item[0].id)]
        await self._read_quickly(quick, snapshot)
        for change, finding in to_read:
            if self._misses.get(change.id) and (change, finding) not in quick:
                self._read_apart(change, finding, snapshot, group)

    def _judge(self, change: Change, snapshot: FleetSnapshot) -> OutcomeFinding | None:
        """Return the finding from the list alone; None where this fails, which affects that change alone."""
        try:
            return determine_outcome(change, snapshot, None, self.timing)
        except Exception as error:  # as in `_each`
            logger.exception("settlement_failed", change=change.id, error_id=error_id_of(error))
            return None

    def _forget(self, kept: set[str]) -> None:
        for memory in (self._since, self._misses, self._tried):
            for change_id in memory.keys() - kept:
                del memory[change_id]

    async def _read_quickly(self, to_read: Sequence[tuple[Change, OutcomeFinding]], snapshot: FleetSnapshot) -> None:
        """Read servers at once, all within the poll's budget; those it does not reach are first at the next poll."""
        limiter, end = anyio.CapacityLimiter(AT_ONCE), anyio.current_time() + self.timing.read_budget

        async def read(change: Change, finding: OutcomeFinding) -> None:
            async with limiter:
                await self._each(
                    change, self._read(change, finding, snapshot, end - anyio.current_time()), passing=True
                )

        async with anyio.create_task_group() as reads:
            for change, finding in to_read:
                reads.start_soon(read, change, finding)

    def _read_apart(self, change: Change, finding: OutcomeFinding, snapshot: FleetSnapshot, group: TaskGroup) -> None:
        """Read a server that was slow before while polls continue, unless such a read is in progress."""
        if change.id in self._apart or len(self._apart) >= APART:
            return
        patience = min(self.timing.read_budget * 2 ** self._misses[change.id], self.timing.read_patience)
        self._apart.add(change.id)

        async def read() -> None:
            try:
                await self._each(change, self._read(change, finding, snapshot, patience), passing=True)
            finally:
                self._apart.discard(change.id)

        group.start_soon(read)

    async def _read(self, change: Change, finding: OutcomeFinding, snapshot: FleetSnapshot, patience: float) -> None:
        """Read a change's server within `patience`, and settle the change with or without the result."""
        end = anyio.current_time() + patience
        if patience > 0:
            self._tried[change.id] = self.clock.monotonic()
        reading = ChangeReading(snapshot)
        while (server := reading.lacking(finding)) is not None:
            more = await self._more(change, finding, server, reading, end - anyio.current_time())
            if more is None:
                break
            reading, finding = more, determine_outcome(change, more.snapshot, more.usage, self.timing)
        if finding.finding in LACKING:
            finding = unreadable(change, finding, snapshot, self.timing) if patience > 0 else finding
        elif finding.finding is not OutcomeKind.SUCCEEDED:
            self._since.pop(change.id, None)
        await self._conclude(change, finding, reading.snapshot)

    async def _more(
        self, change: Change, finding: OutcomeFinding, server: Server, reading: ChangeReading, patience: float
    ) -> ChangeReading | None:
        """Return a reading with the parts that a finding lacks, if the answer comes in time."""
        if finding.finding is OutcomeKind.NEEDS_USAGE:
            usage = await self._within(change, self._usage(server), patience)
            return None if usage is None else reading.with_usage(usage, self.clock.monotonic())
        full = await self._within(change, self._in_full(server), patience)
        return None if full is None else replace(reading, snapshot=reading.snapshot.with_full(full))

    async def _within(self, change: Change, read: Awaitable[T | None], patience: float) -> T | None:
        """Return the result of a read of a change's server if it arrives in time, else None."""
        begun = anyio.current_time()
        with anyio.move_on_after(patience) as scope:
            response = await read
            if anyio.current_time() - begun <= self.timing.read_budget:
                self._misses.pop(change.id, None)
            return response
        if scope.cancelled_caught and patience > 0:
            self._misses[change.id] = self._misses.get(change.id, 0) + 1
            logger.info("server_read_timeout", server=change.target.id, seconds=round(patience, 1))
        return None

    async def _usage(self, server: Server) -> Usage | None:
        """Return a server's usage; an empty one where the API has no such call."""
        try:
            return await self.api.server_status(server.id)
        except provider_errors.NotOfferedError:
            return Usage()
        except provider_errors.WayscloudError as error:
            logger.info("usage_unreadable", server=server.id, error=error.message)
            return None

    async def _in_full(self, server: Server) -> Server | None:
        """Return a server as it is read by itself: the list's entry may be short and out of date."""
        try:
            return await self.api.get_server(server.id)
        except provider_errors.WayscloudError as error:
            logger.info("server_unreadable", server=server.id, error=error.message)
            return None

    def _is_agreed(self, change: Change, finding: OutcomeFinding) -> bool:
        """Return whether two consecutive polls, some time apart, found a create done.

        A new server passes through states, and may seem ready on its way to an error. What starts, stops or reboots an
        existing one is settled by one poll of two sources, the list and the server itself.
        """
        if finding.finding is not OutcomeKind.SUCCEEDED or not makes_server(change.operation):
            return True
        now = self.clock.monotonic()
        return now - self._since.setdefault(change.id, now) >= self.timing.agree_gap

    async def _conclude(self, change: Change, finding: OutcomeFinding, snapshot: FleetSnapshot) -> None:
        if not self._is_agreed(change, finding):
            return  # one poll may have met a state that passes; its state is shown with the end
        if finding.finding is OutcomeKind.WAIT:
            await self._show_phase(change, snapshot)
        if finding.finding is not OutcomeKind.WAIT and finding.finding not in LACKING:
            await self.database.transact(lambda connection: apply_outcome(connection, change, finding, self.clock))

    async def _conclude_inspected(self, change: Change, read: Awaitable[OutcomeFinding]) -> None:
        async def work() -> None:
            finding = await read
            if finding.finding is not OutcomeKind.WAIT:
                await self.database.transact(lambda connection: apply_outcome(connection, change, finding, self.clock))

        await self._each(change, work(), passing=True)

    async def _each(self, change: Change, work: Awaitable[None], *, passing: bool = False) -> None:
        """Do one change's work so that no other's fails with it; with `passing` even where the database is away."""
        try:
            await work
        except StaleChangeError:
            logger.info("change_already_moved", change=change.id)
        except StorageError as error:
            if not passing:
                raise
            logger.error("change_not_settled", change=change.id, error=error.message, error_id=error.error_id)
        except Exception:  # a bug in one change must not delay the others; the next poll tries again
            logger.exception("settlement_failed", change=change.id)

    async def _show_phase(self, change: Change, snapshot: FleetSnapshot) -> None:
        """Store the server's status at the provider when it differs from the one before: cards show it."""
        server = next((server for server in snapshot.servers if server.id == target_server_id(change)), None)
        if change.state is not State.WATCHING or server is None or server.status == change.result.get("status"):
            return
        result = dict(change.result) | server.model_dump(mode="json", exclude_none=True)

        def work(connection: Connection) -> None:
            fresh = repository.load(connection, change.id, lock=True)
            if fresh.state is State.WATCHING:
                repository.amend(connection, fresh, snapshot.now, result=result)
                outbox.put_card(connection, change.plan or change.id, snapshot.now)

        await self.database.transact(work, durable=False)


def unreadable(change: Change, finding: OutcomeFinding, snapshot: FleetSnapshot, timing: Timing) -> OutcomeFinding:
    """Return the outcome of a change if its server's usage could not be read."""
    late = elapsed(change, snapshot) > timing.power_lookup
    if change.state is State.UNKNOWN and late:
        what = "the server" if finding.finding is OutcomeKind.NEEDS_SERVER else "the server's uptime"
        return OutcomeFinding(OutcomeKind.NEEDS_PERSON, note=f"{what} cannot be read")
    if change.overdue and elapsed(change, snapshot) > timing.give_up:
        note = "WAYSCloud accepted it. The server cannot be read, so nothing shows whether it was done."
        return OutcomeFinding(OutcomeKind.SUCCEEDED, finding.server, note, unseen=True)
    overdue = not change.overdue and elapsed(change, snapshot) > timing.power_limit
    return OutcomeFinding(OutcomeKind.OVERDUE if overdue else OutcomeKind.WAIT)


@dataclass(frozen=True, slots=True)
class OutcomeStep:
    """What a poll's finding stores: the state that follows (None: the same), event, columns, and a notice or ""."""

    after: State | None
    event: str
    columns: Mapping[str, Any]
    notice: str = ""


def apply_outcome(connection: Connection, change: Change, finding: OutcomeFinding, clock: Clock) -> Change:
    """Store the result of a poll, in the caller's transaction."""
    now, result = clock.now(), _result_of(change, finding)
    body = {
        "note": finding.note,
        "server": result.get("id", ""),
        "status": finding.server.status if finding.server else "",
    }
    step = _step_of(change, finding, result, now)
    if step.notice:
        outbox.put_notice(connection, change.id, step.notice, now)
    if step.after is None:
        return repository.amend(connection, change, now, event=step.event, body=body, **step.columns)
    settled = repository.step(connection, change, step.after, now, event=step.event, body=body, **step.columns)
    open_end(connection, settled, now)
    tell_missing(connection, settled, now)
    return settled


def _result_of(change: Change, finding: OutcomeFinding) -> dict[str, Any]:
    result = {key: value for key, value in change.result.items() if key not in {KNOWN, REFUSAL}}
    if finding.server is not None:
        result |= finding.server.model_dump(mode="json", exclude_none=True)
    return {**result, **finding.result, **({"unseen": True} if finding.unseen else {})}


def _step_of(change: Change, finding: OutcomeFinding, result: Mapping[str, Any], now: datetime) -> OutcomeStep:
    note = {"note": finding.note}
    match finding.finding:
        case OutcomeKind.OVERDUE:
            # a create keeps its hostname: another one by that name could be paid for twice
            free = {} if makes_server(change.operation) else {"lock": None}
            columns = {"overdue": True, "note": "It takes longer than usual and is still watched.", **free}
            return OutcomeStep(None, "overdue", columns, notice="overdue")
        case OutcomeKind.SEND_AGAIN:
            return OutcomeStep(State.APPROVED, "not_processed", {**note, "owner": None})
        case OutcomeKind.ADOPTED:
            return OutcomeStep(State.WATCHING, "adopted", {**note, "result": result})
        case OutcomeKind.NEEDS_PERSON:
            return OutcomeStep(State.NEEDS_PERSON, "needs_person", note, notice="needs_person")
        case _:
            after = State.SUCCEEDED if finding.finding is OutcomeKind.SUCCEEDED else State.FAILED
            refused = after is State.FAILED and change.refusal is not None
            settled = {"settled_at": None if finding.unseen else now.timestamp()}
            event = "refused" if refused else after.value
            if after is State.SUCCEEDED:
                note = {"note": " ".join(filter(None, (finding.note, opening_note(change, result, now))))}
            return OutcomeStep(after, event, {**note, "result": result, **settled}, notice=after.value)
