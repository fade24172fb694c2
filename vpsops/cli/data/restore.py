"""`vpsops restore FILE`: a backup in the place of the database, and what that means for changes in flight."""

import argparse
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import sqlalchemy as sa

from vpsops.cli.data.backup import report
from vpsops.core.app import postgres_options_of
from vpsops.core.app.services import head_file_of
from vpsops.core.backup.backup_file import BackupFileError, VerifiedBackup, opened, opened_current, tables_in
from vpsops.core.backup.in_flight import STEPS
from vpsops.core.backup.restoration import (
    DatabaseContents,
    Restoration,
    RestoreReport,
    check_unused,
    contents_of,
)
from vpsops.core.changes.model import State
from vpsops.core.common.clock import Clock, SystemClock
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.text import count_text
from vpsops.core.config.local_identity import human_of
from vpsops.core.config.logging import configure_logging, secrets_of
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.console.terminal import HIDDEN, print_line
from vpsops.core.continuity.continuity_monitor import ContinuityMonitor
from vpsops.core.sqlite.location import NotReadyError
from vpsops.core.storage import open_database
from vpsops.core.storage.schema import OlderSchemaError, SchemaStatus, newer

GOOD, REFUSED = 0, 1
SHOWN: Final = 20
PROCESS: Final = "vpsops restore"
AWAY: Final = "Move it away, and restore into an empty one; nothing was changed."
Ask = Callable[[str], str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops restore`."""
    parser.description = (
        "Put a backup into the configured database, in one transaction: SQLite or PostgreSQL, whatever it was taken"
        " from. An older schema is brought up to date, a newer one refused, as is a database that a process uses. What"
        " was sent since the backup is not known: changes that waited for people or for their time in it are"
        " superseded, those that were approved or sent need a person, and messages and deliveries that waited are left"
        " out."
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="what `vpsops backup` wrote")
    parser.add_argument("--check", action="store_true", help="verify FILE and say what a restore would mean; no more")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="where the database holds something: replace all of it; asks at a terminal",
    )
    parser.add_argument(
        "--broken-trail", action="store_true", help="also restore a backup with a trail that is not whole, as it is"
    )


def run(arguments: argparse.Namespace) -> int:
    """Verify, ask where something is replaced, and restore. Raises `ConfigurationError`, `StorageError`."""
    settings = load_settings()
    configure_logging(settings)
    HIDDEN.set(secrets_of(settings))
    backup = VerifiedBackup.read(arguments.file)
    broken = report(backup)
    if backup.status is SchemaStatus.NEWER:
        raise newer()
    for line in meaning(arguments.file):
        print_line(line)
    if arguments.check:
        return broken
    if broken and not arguments.broken_trail:
        raise BackupFileError("Nothing was restored.", hint="With --broken-trail it is restored as it is.")
    return Restorer(settings, SystemClock(), arguments.file, backup).run(replace=arguments.replace, ask=input)


def meaning(path: Path) -> Iterator[str]:
    """Say what a restore of a backup means for the changes that are open in it."""
    with opened(path) as connection:
        changes = tables_in(connection)["changes"]
        counts = Counter(connection.scalars(sa.select(changes.c.state)))
    moved = {state.value: steps[-1][0].value.replace("_", " ") for state, steps in STEPS.items()}
    for state, after in moved.items():
        if counts[state]:
            yield f"{count_text(counts[state], 'change')} in state {state}: {after} once it is restored."
    if counts[State.NEEDS_PERSON.value]:
        needy = count_text(counts[State.NEEDS_PERSON.value], "change")
        yield f"{needy} in state needs a person: the same once it is restored."


class Restorer:
    """Restores one backup into the configured database."""

    def __init__(self, settings: Settings, clock: Clock, path: Path, backup: VerifiedBackup) -> None:
        self._settings = settings
        self._clock = clock
        self._path = path
        self._backup = backup

    def run(self, *, replace: bool, ask: Ask) -> int:
        """Restore and return the exit code; asks where something is replaced."""
        contents = anyio.run(self._contents)
        if not contents.is_empty and not self._may_replace(contents, replace, ask):
            return REFUSED
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends the process at once, and so takes the transaction back
        done = anyio.run(partial(self._restore, contents))
        for line in _lines(done):
            print_line(line)
        return GOOD

    async def _contents(self) -> DatabaseContents:
        """Return what the database holds, without making or upgrading anything."""
        options = postgres_options_of(self._settings)
        try:
            async with open_database(self._settings.database, self._clock, make=False, options=options) as database:
                await check_unused(database)
                return await database.read(contents_of)
        except OlderSchemaError as error:
            raise ConfigurationError(error.message, hint=AWAY) from None
        except NotReadyError:
            return DatabaseContents()

    def _may_replace(self, contents: DatabaseContents, replace: bool, ask: Ask) -> bool:
        counts = count_text(contents.changes, "change"), count_text(contents.seq, "audit record")
        holds = f"The database holds {' and '.join(counts)}"
        if not replace:
            raise ConfigurationError(f"{holds}.", hint="Restore into an empty one, or replace this one with --replace.")
        if not sys.stdin.isatty():
            raise ConfigurationError("Replacing needs a person at a terminal.", hint="Run it by hand, with no pipe.")
        print_line(f"{holds}. All of it is replaced; take a backup of it first.")
        if ask(f"To replace it, type the number of its last record, {contents.seq}: ").strip() == str(contents.seq):
            return True
        print_line("Another number was typed, so nothing was restored.")
        return False

    async def _restore(self, contents: DatabaseContents) -> RestoreReport:
        by = {"kind": "person", "id": human_of(self._settings)}
        options = postgres_options_of(self._settings)
        async with open_database(self._settings.database, self._clock, options=options) as database:
            with opened_current(self._path, self._backup) as source:
                restoration = Restoration(source, self._backup.manifest, self._clock, by)
                done = await restoration.run(database, contents)
            await ContinuityMonitor(database, self._clock, PROCESS, head_file_of(self._settings)).open()
            return done


def _lines(done: RestoreReport) -> Iterator[str]:
    """Say what a restore did."""
    closed = done.closed
    yield f"Restored; record {done.seq} of the trail says so."
    if closed.superseded:
        count = count_text(len(closed.superseded), "change")
        yield f"Superseded, as they waited for people or for their time: {count}."
    if closed.need_person:
        more = f" and {len(closed.need_person) - SHOWN} more" if len(closed.need_person) > SHOWN else ""
        yield f"To be settled by a person, as they may have been sent: {', '.join(closed.need_person[:SHOWN])}{more}."
    if done.messages or done.deliveries:
        yield (
            f"Left out, as it may have happened since: {count_text(done.messages, 'message')} to Slack, and what"
            f" {count_text(done.deliveries, 'command or click')} from it asked for."
        )
    if done.kept_pause:
        yield "Agents stay paused, as they were in the database that was replaced."
    yield "The policy in force is the backup's: compare it by vpsops policy diff. Run vpsops doctor, then start."
