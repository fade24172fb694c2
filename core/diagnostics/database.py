"""What `vpsops doctor` sees in the database: does it serve, who is alive, what waits, is the trail whole."""

import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.app import postgres_options_of
from vpsops.core.app.services import head_file_of
from vpsops.core.audit.chain import ChainVerifier
from vpsops.core.audit.reader import pages
from vpsops.core.audit.records import GENESIS
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.authorization.hold_offs import HoldOff, all_in_force
from vpsops.core.changes import repository
from vpsops.core.changes.model import State
from vpsops.core.common.clock import Clock
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import DoctorFinding, fail, ok, warn
from vpsops.core.continuity.anchors import anchor_targets_from, last_days
from vpsops.core.continuity.continuity_monitor import TODO, ContinuityMonitor
from vpsops.core.diagnostics.ends import check_ends
from vpsops.core.diagnostics.offers import check_offers
from vpsops.core.diagnostics.reviews import check_reviews
from vpsops.core.diagnostics.shipment import check_shipment
from vpsops.core.diagnostics.size import check_size
from vpsops.core.diagnostics.unreadable_rows import unreadable_rows
from vpsops.core.execution.claims import AFTER_HOLD, runnable
from vpsops.core.execution.deferral import clock_time
from vpsops.core.messaging.outbox import QUIET
from vpsops.core.policy_register.diagnostics import check_active_policy
from vpsops.core.sqlite.location import NotReadyError, file_system_of
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.capability import Need, capabilities
from vpsops.core.storage.leases import DEAD_SECONDS, alive, observe
from vpsops.core.storage.pools import LISTEN_URL
from vpsops.core.storage.tables import CHANGES, INBOX, OPEN_STATES, OUTBOX, PROCESSES
from vpsops.core.workspaces.loader import load_workspaces

SLOW_SECONDS: Final = 60.0
NOT_FOR_FILES: Final = frozenset({"proc", "sysfs", "cgroup", "cgroup2", "devpts", "securityfs"})
"""Where even root makes no files, though the rights say so."""
SHOWN: Final = 5
MOST_COMPARED: Final = 1000
WRITTEN: Final = "Run vpsops audit verify, and find out who could write to the database"
RUNS: Final = "changes to run"
QUEUES: Final = (
    (RUNS, CHANGES.c.updated_at, (CHANGES.c.state == State.APPROVED.value) & CHANGES.c.not_before.is_(None)),
    ("messages to people", OUTBOX.c.created_at, OUTBOX.c.state == "waiting"),
    ("deliveries from Slack", INBOX.c.received_at, INBOX.c.done_at.is_(None)),
)


async def check_storage(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    """Look at the database and at what is in it; raises `ConfigurationError` and `StorageError`."""
    findings: list[DoctorFinding] = []
    try:
        options = postgres_options_of(settings)
        async with open_database(settings.database, clock, make=False, options=options) as database:
            await observe(database)
            for check in CHECKS:
                findings += await check(database, settings)
    except NotReadyError as error:
        return [_unmakeable(settings) or warn("database", error.message, error.hint)]
    return findings


def _unmakeable(settings: Settings) -> DoctorFinding | None:
    """Return why a SQLite file that is not there yet cannot be made, if it cannot."""
    url = sa.make_url(settings.database)
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    path = _file(settings.database).resolve()
    place = next(folder for folder in path.parents if folder.exists())
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK) and file_system_of(place) not in NOT_FOR_FILES:
        return None
    what = f"there is no database at {path}, and this user cannot make one: {place} cannot be written"
    return fail("database", what, "Let this user write there, or set VPSOPS_DATABASE_URL to another place")


async def check_database(database: Database, settings: Settings) -> Sequence[DoctorFinding]:
    """Run a query and, on SQLite, check the file itself."""
    begun = database.clock.monotonic()
    await database.read(database.tick)
    took = round((database.clock.monotonic() - begun) * 1000)
    url = sa.make_url(settings.database).render_as_string(hide_password=True)
    results = [ok("database", f"{url} answers in {took} ms, its schema is this version's")]
    return [*results, *(await check_file(database, settings))] if database.sqlite else results


async def check_wakes(database: Database, _: Settings) -> Sequence[DoctorFinding]:
    """Return whether notifications between processes arrive, on PostgreSQL."""
    if database.sqlite:
        return []
    if await database.hears_others():
        return [ok("database", "LISTEN gets through: what one process stores wakes the others")]
    what = "LISTEN does not get through, so what one process stores is noticed by the others seconds later"
    return [warn("database", what, f"Set {LISTEN_URL} to the server's own address, past a pooler in transaction mode")]


async def check_file(database: Database, settings: Settings) -> Sequence[DoctorFinding]:
    """Return whether this user may write to the file, and whether its pages are sound."""
    path = _file(settings.database)
    text = await database.read(lambda connection: connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    findings: list[DoctorFinding] = []
    if database.read_only:
        what = f"this user may not write to {path} and its folder, so nothing can be stored"
        findings.append(fail("database", what, "Run this as the user that runs vpsops, or let that user write there"))
    if text != "ok":
        findings.append(
            fail("database", f"the file is damaged: {text}", "Stop all processes and restore the last backup")
        )
    return findings


async def check_processes(database: Database, _: Settings) -> Sequence[DoctorFinding]:
    """Return who is alive, and whether someone should be."""

    def work(connection: Connection) -> tuple[list[str], int]:
        tick = database.tick(connection)
        near = PROCESSES.c.beat.between(tick - DEAD_SECONDS, tick + DEAD_SECONDS)
        living = sa.select(PROCESSES.c.id).where(near).order_by(PROCESSES.c.id)
        waiting = sa.select(sa.func.count()).select_from(CHANGES).where(CHANGES.c.state.in_(OPEN_STATES))
        return list(connection.scalars(living)), connection.scalar(waiting) or 0

    living, waiting = await database.read(work)
    if living:
        return [ok("processes", f"{len(living)} alive: {listed(living)}; {waiting} changes open")]
    if waiting:
        return [warn("processes", f"{waiting} changes are open and no process is alive", "Start vpsops bot or worker")]
    return [ok("processes", "none runs changes now, and none is needed")]


async def check_accounts(database: Database, _: Settings) -> Sequence[DoctorFinding]:
    """Return which changes only a person can settle."""
    needy = await database.read(
        lambda connection: repository.select(connection, repository.in_states(State.NEEDS_PERSON), limit=100)
    )
    if not needy:
        return []
    what = f"{len(needy)} need a person: {listed([change.id for change in needy])}"
    return [
        warn(
            "changes",
            what,
            "Look at the server, then say on the card in Slack, or by vpsops changes ID --settle, what became of it",
        )
    ]


async def check_continuity(database: Database, settings: Settings) -> Sequence[DoctorFinding]:
    """Return whether the database went back since it was seen last, by this machine or another."""
    kept = head_file_of(settings)
    mark = kept.read() if kept is not None else None
    known = ContinuityMonitor(database, database.clock, "doctor")
    view = await known.read_view(mark)
    open_ones = [finding for finding in view.findings if not finding.accepted]
    if open_ones:
        return [fail("store", f"the database went back: {open_ones[-1].what}", TODO)]
    if view.difference:
        todo = "If that was meant, run vpsops store accept; nothing that is approved in it is sent by itself"
        return [fail("store", f"the database went back: {view.difference}", todo)]
    if not known.knows_server:
        what = (
            "this role may not read which server answers, so a standby that takes over shows by the audit trail alone"
        )
        return [warn("store", what, "GRANT EXECUTE ON FUNCTION pg_control_system() TO this role")]
    if kept is None or not kept.writable:
        where = str(kept.path.parent) if kept else "the state folder"
        what = f"nothing on this machine remembers what it saw of the database: {where} cannot be written"
        return [warn("store", what, "Set XDG_STATE_HOME to a folder that this user may write to")]
    return [ok("store", f"the database is the one that was seen last{f', record {mark.seq}' if mark else ''}")]


async def check_rows(database: Database, _: Settings) -> Sequence[DoctorFinding]:
    """Name the rows that this version cannot read."""
    unreadable = await database.read(unreadable_rows)
    if not unreadable:
        return []
    named = listed([f"{row.table} {row.id} ({row.why})" for row in unreadable])
    what = f"{len(unreadable)} cannot be read by this version: {named}"
    todo = "Run a process of the version that wrote them; if no version did, restore the row or settle it by hand"
    return [warn("rows", what, todo)]


async def check_claims(database: Database, _: Settings) -> Sequence[DoctorFinding]:
    """Name the changes that no living process can run or watch."""

    def work(connection: Connection) -> list[str]:
        known = capabilities(connection, alive(connection, database.tick(connection))).values()
        waiting = sa.select(CHANGES.c.id, CHANGES.c.operation, CHANGES.c.format).order_by(CHANGES.c.created_at)
        waiting = waiting.where(CHANGES.c.state.in_([state.value for state in AFTER_HOLD]), ~runnable())
        needs = [(row.id, Need(row.operation, row.format)) for row in connection.execute(waiting)]
        return [
            f"{ident} ({need.operation}, format {need.format})"
            for ident, need in needs
            if not any(capability.covers(need) for capability in known)
        ]

    left = await database.read(work)
    if not left:
        return []
    todo = "Start a process of the version that knows it; it waits until then, and nothing is sent"
    return [warn("changes", f"{len(left)} can be run by no living process: {listed(left)}", todo)]


async def check_queues(database: Database, _: Settings) -> Sequence[DoctorFinding]:
    """Return how much waits in each queue, and for how long its oldest has waited."""
    now = database.clock.now().timestamp()

    def work(connection: Connection) -> list[tuple[str, int, float]]:
        findings = []
        for name, since, where in QUEUES:
            depth, oldest = connection.execute(sa.select(sa.func.count(), sa.func.min(since)).where(where)).one()
            findings.append((name, depth, max(0.0, now - oldest) if depth else 0.0))
        return findings

    queues = await database.read(work)
    text = "; ".join(
        f"{depth} {name}" + (f", the oldest for {age:.0f} s" if depth else "") for name, depth, age in queues
    )
    slow = [name for name, depth, age in queues if depth and age > SLOW_SECONDS and name == RUNS]
    if slow:
        return [warn("queues", text, "Approved changes wait for over a minute: start vpsops bot or worker, or another")]
    return [ok("queues", text)]


async def check_hold_offs(database: Database, _: Settings) -> Sequence[DoctorFinding]:
    """Return which writes the provider wants to wait, and how many changes do."""
    now = database.clock.now()

    def work(connection: Connection) -> tuple[list[HoldOff], int]:
        deferred = (CHANGES.c.state == State.APPROVED.value) & CHANGES.c.not_before.is_not(None)
        return all_in_force(connection, now.timestamp()), _count(connection, CHANGES, deferred)

    wishes, deferred = await database.read(work)
    if not wishes and not deferred:
        return []
    named = listed([f"{wish.scope} until {clock_time(wish.until, now)}" for wish in reversed(wishes)])
    return [ok("provider", f"{deferred} approved changes wait, as the provider asks (429): {named or 'no longer'}")]


async def check_messages(database: Database, settings: Settings) -> Sequence[DoctorFinding]:
    """Return what was not delivered to people, and what of theirs was not worked on."""
    late = database.clock.now().timestamp() - SLOW_SECONDS

    def work(connection: Connection) -> tuple[int, int, int, int, str]:
        waiting, dead = OUTBOX.c.state == "waiting", OUTBOX.c.state == "dead"
        unread = INBOX.c.done_at.is_(None) & (INBOX.c.received_at < late)
        last = sa.select(OUTBOX.c.error).where(dead).order_by(OUTBOX.c.id.desc()).limit(1)
        return (
            _count(connection, OUTBOX, waiting),
            _count(connection, OUTBOX, waiting & (OUTBOX.c.created_at < late) & (OUTBOX.c.error != QUIET)),
            _count(connection, OUTBOX, dead),
            _count(connection, INBOX, unread),
            connection.scalar(last) or "",
        )

    waiting, slow, dead, unread, error = await database.read(work)
    findings = [_backlog(waiting, slow, settings)]
    if dead:
        findings.append(
            warn("outbox", f"{dead} messages were given up, the last one for: {error}", "See docs/operations.md")
        )
    if unread:
        findings.append(warn("inbox", f"{unread} deliveries from Slack wait for over a minute", "Start vpsops bot"))
    return findings


def _backlog(waiting: int, slow: int, settings: Settings) -> DoctorFinding:
    if waiting and not settings.slack_configured:
        return ok("outbox", f"{waiting} messages for a Slack workspace, which is not configured")
    if not slow:
        return ok("outbox", f"{waiting} messages wait, none for long")
    return warn("outbox", f"{slow} messages wait for over a minute", "Start vpsops bot, or read its log")


async def check_trail(database: Database, _: Settings) -> Sequence[DoctorFinding]:
    """Verify the audit trail from its first record."""
    walk, head, faults = ChainVerifier(), (0, GENESIS), []
    async for records, head in pages(database, 0):  # noqa: B007 - the last page's head is used below
        faults += [fault for record in records for fault in walk.step(record)]
    faults += walk.end(head)
    if faults:
        what = f"{len(faults)} faults in the trail, the first: {faults[0].what}"
        return [fail("audit", what, WRITTEN)]
    return [await _compared(database) or ok("audit", f"the trail is whole up to record {walk.seq}")]


async def check_anchors(database: Database, settings: Settings) -> Sequence[DoctorFinding]:
    """Return when the head of the trail last left the machine, where it is to do so."""
    kinds = anchor_targets_from(settings, load_workspaces(settings)).named
    days = await database.read(partial(last_days, kinds=kinds))
    late_before = (database.clock.now() - timedelta(days=2)).date().isoformat()
    todo = "Start vpsops bot or worker with this setting, and search its log for anchor_failed"
    return [
        ok("anchors", f"{kind}: the last head left on {day}")
        if day > late_before
        else warn("anchors", f"{kind}: the head of the trail {f'left last on {day}' if day else 'never left'}", todo)
        for kind, day in days.items()
    ]


async def _compared(database: Database) -> DoctorFinding | None:
    """Return which changes are not as the trail has them."""
    ids: dict[str, str] = {}
    async for discrepancy in discrepancies(database):
        ids.setdefault(discrepancy.change_id, discrepancy.what)
        if len(ids) > MOST_COMPARED:
            break
    if not ids:
        return None
    first = next(iter(ids))
    more = f", and {min(len(ids) - 1, MOST_COMPARED)} more" if len(ids) > 1 else ""
    return fail("audit", f"the trail does not carry {first}: {ids[first]}{more}", WRITTEN)


def listed(names: Sequence[str]) -> str:
    """Return some names as text, the first few of many."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _file(url: str) -> Path:
    return Path(sa.make_url(url).database or "").expanduser()


def _count(connection: Connection, table: sa.Table, where: sa.ColumnElement[bool]) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table).where(where)) or 0


CHECKS: Final[tuple[Callable[[Database, Settings], Awaitable[Sequence[DoctorFinding]]], ...]] = (
    check_database,
    check_size,
    check_wakes,
    check_processes,
    check_active_policy,
    check_accounts,
    check_continuity,
    check_rows,
    check_claims,
    check_queues,
    check_hold_offs,
    check_reviews,
    check_ends,
    check_offers,
    check_messages,
    check_trail,
    check_anchors,
    check_shipment,
)
