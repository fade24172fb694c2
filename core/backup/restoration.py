"""Puts a backup into a database, in one transaction: whatever fails, the database stays as it was.

What was sent since the backup was taken is not known, so nothing of it is sent, and nothing is posted a second time:
open changes are closed, messages and deliveries that waited are left out.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import Pause
from vpsops.core.backup.backup_file import BackupFileError, BackupManifest, tables_in
from vpsops.core.backup.in_flight import ClosedChanges, close_open_changes
from vpsops.core.backup.table_rows import copy_rows, digest_of
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import ConfigurationError, StaleChangeError
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import count_text
from vpsops.core.console.terminal import when
from vpsops.core.continuity.continuity_monitor import note_restore
from vpsops.core.messaging import outbox
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import alive, observe
from vpsops.core.storage.tables import (
    ACCOUNTS,
    AUDIT_HEAD,
    CHANGES,
    INBOX,
    LEASES,
    METADATA,
    OUTBOX,
    PROCESSES,
    SLACK_OAUTH_STATES,
    SWITCHES,
)

EVENT: Final = "store_restored"
LEFT_OUT: Final = (PROCESSES, LEASES, ACCOUNTS, SLACK_OAUTH_STATES, OUTBOX)
"""What is about processes and moments that are gone, and messages that may have been posted since."""
PATIENT: Final = (
    f"SET LOCAL lock_timeout = '{timings.BUSY_SECONDS:.0f}s';"
    f" SET LOCAL idle_in_transaction_session_timeout = '{timings.COPY_SECONDS:.0f}s'"
)
SHOWN: Final = 20


class InUseError(ConfigurationError):
    """A process serves on the database that is to be replaced."""


@dataclass(frozen=True, slots=True)
class DatabaseContents:
    """What a database holds, as far as a person is asked about it."""

    seq: int = 0
    changes: int = 0
    others: int = 0  # rows of the other tables

    @property
    def is_empty(self) -> bool:
        """Return whether nothing happened in it yet."""
        return not (self.seq or self.changes or self.others)


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What a restore did."""

    closed: ClosedChanges
    messages: int
    deliveries: int
    kept_pause: bool
    seq: int


async def check_unused(database: Database) -> None:
    """Raise `InUseError` where a process lives on a database; raises `StorageError`."""
    await observe(database)
    await database.read(partial(_check_unused, database))


def contents_of(connection: Connection) -> DatabaseContents:
    """Return what a database holds, apart from what is left out of a restore."""
    apart = {AUDIT_HEAD.name, CHANGES.name, *(table.name for table in LEFT_OUT)}
    others = sum(_count(connection, table) for table in METADATA.sorted_tables if table.name not in apart)
    return DatabaseContents(chain.head(connection)[0], _count(connection, CHANGES), others)


@dataclass(frozen=True, slots=True)
class Restoration:
    """One backup, open to be read and of this version's schema, for one database."""

    source: Connection
    manifest: BackupManifest
    clock: Clock
    by: Mapping[str, Json]

    async def run(self, database: Database, replaces: DatabaseContents) -> RestoreReport:
        """Put the backup in the place of what a person saw in the database.

        Raises `InUseError`, `StaleChangeError` where it holds something else by now, `BackupFileError`, `StorageError`.
        """
        await check_unused(database)
        return await database.transact(partial(self._restore, database, replaces))

    def _restore(self, database: Database, replaces: DatabaseContents, connection: Connection) -> RestoreReport:
        _lock(connection)
        _check_unused(database, connection)
        if contents_of(connection) != replaces:
            raise StaleChangeError("The database has other contents by now, so it was left as it is.")
        pause = agent_pause.read(connection)
        for table in reversed(METADATA.sorted_tables):
            connection.execute(sa.delete(table))
        self._copy(connection)
        _set_sequences(connection)
        kept = _keeps_pause(connection, pause)
        deliveries = _finish_deliveries(connection, self.clock)
        return self._record(connection, kept_pause=kept, deliveries=deliveries)

    def _copy(self, connection: Connection) -> None:
        tables, apart = tables_in(self.source), {table.name for table in LEFT_OUT}
        for table in METADATA.sorted_tables:
            if table.name in apart:
                continue
            if copy_rows(self.source, connection, tables[table.name], table) != digest_of(connection, table):
                what = f"The table {table.name} differs in the database from the backup, so nothing was restored."
                raise BackupFileError(what)

    def _record(self, connection: Connection, *, kept_pause: bool, deliveries: int) -> RestoreReport:
        now, taken = self.clock.now(), when(self.manifest.taken_at)
        why = f"the database was restored from a backup of {taken}"
        closed = close_open_changes(connection, now, why)
        finding = note_restore(connection, self.clock, why, closed.need_person)
        messages = _count_in(self.source, OUTBOX.name)
        body = {
            "by": dict(self.by),
            "why": why,
            "finding": finding,
            "backup": {"taken_at": self.manifest.taken_at, "seq": self.manifest.seq, "hash": self.manifest.hash},
            "superseded": len(closed.superseded),
            "need_person": list(closed.need_person),
            "messages_left_out": messages,
        }
        record = chain.append(connection, now.timestamp(), EVENT, None, body)
        outbox.put(connection, f"store:{finding}", "event", {"text": restore_text(taken, closed)}, now)
        return RestoreReport(closed, messages, deliveries, kept_pause, record.seq)


def restore_text(taken: str, closed: ClosedChanges) -> str:
    """Return the text about a restore, for people in channels."""
    named = ", ".join(closed.need_person[:SHOWN])
    more = f" and {len(closed.need_person) - SHOWN} more" if len(closed.need_person) > SHOWN else ""
    needy = (
        f" These had been agreed to or sent and need a person now: {named}{more}. Check the server, then say what"
        " became of each."
        if named
        else ""
    )
    waited = (
        f" Superseded, as they waited for people or for their time: {count_text(len(closed.superseded), 'change')}."
        if closed.superseded
        else ""
    )
    return (
        f"The database of vpsops was restored from a backup of {taken}. What was asked for, decided and sent since then"
        f" is not known to it.{needy}{waited} The policy in force is the backup's: vpsops policy diff."
    )


def _lock(connection: Connection) -> None:
    """Let no process begin to use PostgreSQL's tables meanwhile; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        names = ", ".join(table.name for table in METADATA.sorted_tables)
        for statement in PATIENT.split(";"):
            connection.execute(sa.text(statement))
        connection.execute(sa.text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))


def _check_unused(database: Database, connection: Connection) -> None:
    living = sorted(alive(connection, database.tick(connection)))
    if living:
        named = ", ".join(living[:SHOWN])
        raise InUseError(
            f"The database is in use by {'a process' if len(living) == 1 else f'{len(living)} processes'}: {named}.",
            hint="Stop every process of this database first; one that was killed counts as alive for five seconds.",
        )


def _keeps_pause(connection: Connection, pause: Pause) -> bool:
    """Keep agents paused, and say so, where they were in the database that is replaced, and are not in the backup."""
    if not pause.paused or agent_pause.read(connection).paused:
        return False
    values = {
        "value": {"paused": True, "reason": pause.reason},
        "by": asdict(pause.by) if pause.by else {},
        "at": pause.at.timestamp() if pause.at else 0.0,
    }
    connection.execute(sa.delete(SWITCHES).where(SWITCHES.c.name == agent_pause.NAME))
    connection.execute(sa.insert(SWITCHES).values(name=agent_pause.NAME, **values))
    return True


def _finish_deliveries(connection: Connection, clock: Clock) -> int:
    """Keep the keys of deliveries from Slack, so that none is taken twice, and carry none of them out."""
    values = {"payload": {}, "done_at": clock.now().timestamp()}
    return connection.execute(sa.update(INBOX).where(INBOX.c.done_at.is_(None)).values(**values)).rowcount


def _set_sequences(connection: Connection) -> None:
    """Let PostgreSQL number rows after those that came with their numbers, and use none of before again."""
    if connection.dialect.name != "postgresql":
        return
    for table in METADATA.sorted_tables:
        for column in table.primary_key:
            if column.autoincrement is True:
                sequence = f"pg_get_serial_sequence('{table.name}', '{column.name}')"
                last = f"(SELECT coalesce(max({column.name}), 0) + 1 FROM {table.name})"  # noqa: S608 - names of ours
                following = f"greatest({last}, nextval({sequence}))"
                connection.execute(sa.text(f"SELECT setval({sequence}, {following}, false)"))


def _count(connection: Connection, table: sa.Table) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _count_in(source: Connection, name: str) -> int:
    return _count(source, tables_in(source)[name])
