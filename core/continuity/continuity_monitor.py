"""Continuity of the database: whether it still holds everything that this machine has seen in it.

A lagging standby that takes over, a backup that is put in place or a copy that is swapped in forgets what was
sent since. What is approved there may have been sent already, so none of it is sent by itself: the first process to
notice records a finding in the database; in the same transaction every approved change becomes one for a person.

A view is compared with the mark that was stored before the read began, so that ordinary concurrency is no finding.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

import sqlalchemy as sa
import structlog
from anyio import to_thread
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.changes.model import State, check_step
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.common.json_types import Json
from vpsops.core.continuity import lineage
from vpsops.core.continuity.heads import MOST_FINDINGS, HeadFile, Mark
from vpsops.core.continuity.lineage import Lineage
from vpsops.core.ends.lifecycle import ask_about_all
from vpsops.core.grants.lifecycle import WENT_BACK, end_all
from vpsops.core.messaging import outbox
from vpsops.core.operations.target import PLAN
from vpsops.core.storage.commit_notifier import touch
from vpsops.core.storage.database import Database
from vpsops.core.storage.tables import AUDIT, AUDIT_HEAD, CHANGES, SWITCHES

logger = structlog.get_logger(__name__)
NAME: Final = "store"
EVENT: Final = "store_went_back"
ACCEPTED: Final = "store_accepted"
SHOWN_CHANGES: Final = 20
MOST_CHANGES: Final = 100
STORED: Final = sa.select(SWITCHES.c.value).where(SWITCHES.c.name == NAME)
TODO: Final = (
    "Look at what may have been sent since at the provider, settle the changes that need a person, then accept the"
    " database as it is: vpsops store accept."
)
NOTE: Final = (
    "The database went back, so this may have been sent already. Nothing is sent by itself: check the server first."
)


class StoreWentBackError(StorageError):
    """The database lacks data that this process has seen in it, so nothing was sent."""


@dataclass(frozen=True, slots=True)
class RollbackFinding:
    """A time that the database went back: how it shows, who noticed, and whether it was accepted since."""

    id: str
    what: str
    at: float
    process: str
    seq: int = 0  # the last record of the trail when it was noticed
    changes: tuple[str, ...] = ()  # those that became ones for a person
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class StoreView:
    """The state of the database in one read."""

    mark: Mark | None  # the mark from before the read
    seq: int
    hash: str
    at_mark: str  # the hash of the record that the mark names; empty without a mark
    lineage: Lineage
    known_lineage: Lineage
    findings: tuple[RollbackFinding, ...] = ()

    @property
    def difference(self) -> str:
        """Describe how it shows that the database went back since it was seen last; empty if it did not."""
        mark = self.mark
        if mark is not None and not (self.findings and self.findings[-1].id not in mark.findings):
            if self.seq < mark.seq:
                return f"its audit trail ends at record {self.seq}, and this machine has seen record {mark.seq}"
            if mark.seq and self.at_mark != mark.hash:
                return f"record {mark.seq} of its audit trail is another one than this machine has seen"
        others = lineage.differences(self.known_lineage, self.lineage)
        return (
            f"another server answers, a standby took over, or a copy was restored ({_named(others)})" if others else ""
        )

    @property
    def seen(self) -> Mark:
        """The mark of this view."""
        before = self.mark.findings if self.mark else ()
        new = [finding.id for finding in self.findings if finding.id not in before]
        return Mark(self.seq, self.hash, (*before, *new)[-MOST_FINDINGS:])


def _named(others: Sequence[str]) -> str:
    return f"another {', '.join(others)}"


class ContinuityMonitor:
    """One process's memory of its database, kept for later processes by a `HeadFile` where one can be written."""

    def __init__(self, database: Database, clock: Clock, process: str, kept: HeadFile | None = None) -> None:
        self._database = database
        self._clock = clock
        self._process = process
        self._kept = kept
        self._written: Mark | None = None
        self._expressions: Mapping[str, str] = {}
        self.mark: Mark | None = None

    @property
    def knows_server(self) -> bool:
        """Return whether the server's own facts show a standby that takes over, or another cluster."""
        return self._database.sqlite or (lineage.SYSTEM | lineage.TIMELINE).items() <= self._expressions.items()

    async def read_view(self, mark: Mark | None) -> StoreView:
        """Read the state once and change nothing; raises `StorageError`."""
        self._expressions = await lineage.readable(self._database)
        return await self._database.read(lambda connection: self.view(connection, mark))

    async def open(self) -> None:
        """Load what earlier processes saw, then compare; raises `StorageError`."""
        self._expressions = await lineage.readable(self._database)
        if not self.knows_server:
            logger.warning("lineage_not_readable", hint="A standby that takes over shows by the audit trail alone.")
        if self._kept is not None:
            self.mark = await to_thread.run_sync(self._kept.read)
        view = await self.check()
        if view.lineage.keys() - view.known_lineage.keys():
            await self._database.transact(self._note_lineage, wake=False)

    def _note_lineage(self, connection: Connection) -> None:
        """Store the lineage of this database server where none is stored yet."""
        known, findings = _lock(connection)
        view = self.view(connection, None)
        _write(connection, {**view.lineage, **known}, findings, self._clock.now().timestamp())

    async def check(self) -> StoreView:
        """Check the database, and record a finding where it went back; raises `StorageError`."""
        mark = self.mark
        return await self.judge(await self._database.read(lambda connection: self.view(connection, mark)))

    async def judge(self, view: StoreView) -> StoreView:
        """Record a finding where a view shows that the database went back, else remember the view."""
        if view.difference:
            view = await self._database.transact(lambda connection: self._record(connection, view.mark))
        await self._remember(view)
        return view

    async def _remember(self, view: StoreView) -> None:
        seen = view.seen
        if self.mark is not None and not seen.follows(self.mark):
            return
        self.mark = seen
        if self._kept is not None and seen != self._written:
            now = self._clock.now().timestamp()
            if await to_thread.run_sync(self._kept.write, seen, now):
                self._written = seen

    def view(self, connection: Connection, mark: Mark | None) -> StoreView:
        """Read the state in the caller's transaction; `mark` was read before that began."""
        marked = sa.select(AUDIT.c.hash).where(AUDIT.c.seq == (mark.seq if mark else 0)).scalar_subquery()
        head = sa.select(AUDIT_HEAD.c.seq).scalar_subquery(), sa.select(AUDIT_HEAD.c.hash).scalar_subquery()
        query = sa.select(head[0].label("seq"), head[1].label("hash"), marked.label("at_mark"))
        query = query.add_columns(STORED.scalar_subquery().label("stored"), *lineage.columns_of(self._expressions))
        row = connection.execute(query).mappings().one()
        known, findings = _read(row["stored"])
        now = lineage.lineage_of(row)
        return StoreView(mark, row["seq"] or 0, row["hash"] or "", row["at_mark"] or "", now, known, findings)

    def verify(self, connection: Connection) -> None:
        """Raise `StoreWentBackError` in the transaction that stores an intention, where the database went back."""
        what = self.view(connection, self.mark).difference
        if what:
            raise StoreWentBackError(f"The database went back: {what}.", hint=TODO)

    def _record(self, connection: Connection, mark: Mark | None) -> StoreView:
        """Record a finding and let no approved change be sent by itself; another process may have been first."""
        _lock(connection)
        view = self.view(connection, mark)
        if not view.difference:
            return view
        now = self._clock.now()
        finding = RollbackFinding(
            f"f_{secrets.token_hex(8)}", view.difference, now.timestamp(), self._process, view.seq
        )
        changes = _hold_back(connection, finding, self._clock)
        finding = replace(finding, changes=tuple(changes))
        body = {"finding": finding.id, "why": finding.what, "by": {"id": self._process}, "changes": changes}
        chain.append(connection, now.timestamp(), EVENT, None, body)
        outbox.put(connection, f"store:{finding.id}", "event", {"text": finding_text(finding)}, now)
        _write(connection, {**view.known_lineage, **view.lineage}, (*view.findings, finding), now.timestamp())
        logger.error("store_went_back", finding=finding.id, what=finding.what, changes=len(changes), hint=TODO)
        return self.view(connection, mark)


def finding_text(finding: RollbackFinding) -> str:
    """Return the text about a finding, for people."""
    listed_changes = ", ".join(finding.changes[:SHOWN_CHANGES])
    more = f" and {len(finding.changes) - SHOWN_CHANGES} more" if len(finding.changes) > SHOWN_CHANGES else ""
    held = (
        f"These were approved and may have been sent already; they need a person now: {listed_changes}{more}. "
        if listed_changes
        else ""
    )
    return (
        f"The database of vpsops went back: {finding.what}. What was decided and sent since then is not known to it."
        f" {held}What is held may have been decided before: check the server before you approve. {TODO}"
    )


def findings_of(connection: Connection) -> tuple[RollbackFinding, ...]:
    """Return the recorded findings, oldest first."""
    return _read(connection.scalar(STORED))[1]


def accept(connection: Connection, clock: Clock, by: Mapping[str, Json]) -> int:
    """Accept the database as it is, on record; return how many findings that settles."""
    known, findings = _lock(connection)
    waiting = [finding for finding in findings if not finding.accepted]
    if waiting:
        now = clock.now().timestamp()
        ids = [finding.id for finding in waiting]
        chain.append(connection, now, ACCEPTED, None, {"by": dict(by), "findings": ids})
        _write(connection, known, [replace(finding, accepted=True) for finding in findings], now)
    return len(waiting)


def note_restore(connection: Connection, clock: Clock, what: str, changes: Sequence[str]) -> str:
    """Record that a person put a backup in place, which no process need find out by itself; return the finding's id.

    What was known of the database server is forgotten: the next process that opens the database stores it again.
    """
    _, findings = _lock(connection)
    now, seq = clock.now().timestamp(), chain.head(connection)[0]
    finding = RollbackFinding(
        f"f_{secrets.token_hex(8)}", what, now, "vpsops restore", seq, tuple(changes), accepted=True
    )
    _write(connection, {}, (*findings, finding), now)
    return finding.id


def _hold_back(connection: Connection, finding: RollbackFinding, clock: Clock) -> list[str]:
    """Make every approved change and every running plan one for a person, also those that this version cannot read.

    So is a scheduled one: it may have been cancelled since, or have been sent at its time.
    """
    for state in (State.APPROVED, State.SCHEDULED, State.WATCHING):
        check_step(state, State.NEEDS_PERSON)
    running_plan = (CHANGES.c.state == State.WATCHING.value) & CHANGES.c.operation.startswith(PLAN, autoescape=True)
    now, approved = clock.now(), CHANGES.c.state.in_((State.APPROVED.value, State.SCHEDULED.value)) | running_plan
    end_all(connection, WENT_BACK, now)  # uses since then are not counted
    ask_about_all(connection, now)
    ids = list(connection.scalars(sa.select(CHANGES.c.id).where(approved).order_by(CHANGES.c.created_at)))
    values = {"state": State.NEEDS_PERSON.value, "owner": None, "note": NOTE, "updated_at": now.timestamp()}
    moved = []
    for change_id in ids:
        mine = sa.update(CHANGES).where(CHANGES.c.id == change_id, approved)
        if connection.execute(mine.values(version=CHANGES.c.version + 1, **values)).rowcount:
            body = {"state": State.NEEDS_PERSON.value, "why": finding.what, "finding": finding.id}
            chain.append(connection, now.timestamp(), "needs_person", change_id, body)
            outbox.put_card(connection, change_id, now)
            outbox.put_notice(connection, change_id, "needs_person", now)
            touch(connection, outbox.topic_of(change_id))
            moved.append(change_id)
    return moved


def _lock(connection: Connection) -> tuple[Lineage, tuple[RollbackFinding, ...]]:
    """Return the stored state, and lock it against changes until the commit."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    empty = insert(SWITCHES).values(name=NAME, value={}, by={}, at=0.0)
    connection.execute(empty.on_conflict_do_nothing())  # two may be the first
    return _read(connection.execute(STORED.with_for_update()).scalar_one())


def _write(connection: Connection, known: Lineage, findings: Sequence[RollbackFinding], at: float) -> None:
    stored = [asdict(finding) | {"changes": finding.changes[:MOST_CHANGES]} for finding in findings[-MOST_FINDINGS:]]
    values = {"value": {"lineage": dict(known), "findings": stored}, "at": at}
    connection.execute(sa.update(SWITCHES).where(SWITCHES.c.name == NAME).values(**values))


def _read(stored: Json) -> tuple[Lineage, tuple[RollbackFinding, ...]]:
    value = stored if isinstance(stored, dict) else {}
    known = {str(name): str(text) for name, text in dict(value.get("lineage") or {}).items()}
    return known, tuple(_finding(row) for row in value.get("findings") or () if isinstance(row, dict))


def _finding(row: Mapping[str, Json]) -> RollbackFinding:
    return RollbackFinding(
        str(row.get("id", "")),
        str(row.get("what", "")),
        float(row.get("at", 0.0)),
        str(row.get("process", "")),
        int(row.get("seq", 0)),
        tuple(str(name) for name in row.get("changes", ())),
        row.get("accepted") is True,
    )
