"""`vpsops audit`: show the trail as it grows, verify it, export it for verification elsewhere, or ship it."""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, TextIO

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.cli.data import ship
from vpsops.core.audit import chain
from vpsops.core.audit.chain import ChainFault, ChainVerifier
from vpsops.core.audit.export import (
    MAX_LINE,
    begin_line,
    end_line,
    record_line,
    verify_lines,
    verify_shipped_lines,
)
from vpsops.core.audit.queries import NO_NAMES, RecordFilter, humans_of, record_summary
from vpsops.core.audit.reader import PAGE, pages
from vpsops.core.audit.records import GENESIS, TrailRecord
from vpsops.core.authorization.discrepancies import Discrepancy, discrepancies
from vpsops.core.changes.queries import account_names
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.console.terminal import cell, number, print_line, run_read
from vpsops.core.continuity.anchors import read_anchors
from vpsops.core.runbooks.trail import RunbookTrail
from vpsops.core.storage import Database, commit_notifier
from vpsops.core.storage.tables import AUDIT

MAX_TAIL: Final = 10_000
MAX_FAULTS: Final = 100
MAX_FAULT: Final = 300
MOST_SEARCHED: Final = 20_000
"""Records that one command searches for a server's or a person's: about a second of work."""
FOLLOW_SECONDS: Final = 5.0
NOTED: Final = re.compile(r"^(\d{1,18}):([0-9a-f]{64})$")
TRAIL_WHOLE, TRAIL_BROKEN = 0, 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops audit` and its subcommands."""
    parser.description = (
        "Every request, decision, vote, sending and outcome is a record in an append-only chain: each is hashed with"
        " the one before it. Needs no key and starts nothing."
    )
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    _tail_arguments(commands.add_parser("tail", help="show the last records, oldest first"))
    _verify_arguments(commands.add_parser("verify", help="find records that were altered, removed or reordered"))
    _export_arguments(commands.add_parser("export", help="write the trail as JSON Lines to standard output"))
    ship.add_arguments(
        commands.add_parser("ship", help="send each record to a file, syslog, a webhook or OpenTelemetry")
    )


def _tail_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show the last records that fit, oldest first, one a line. Times are UTC."
    parser.add_argument(
        "--limit",
        type=partial(number, least=1, most=MAX_TAIL),
        default=20,
        metavar="N",
        help="how many; 20 by default",
    )
    parser.add_argument("--follow", action="store_true", help="go on with new records until interrupted")
    parser.add_argument(
        "--server", default="", metavar="NAME", help="about this server: id, hostname or its first label"
    )
    parser.add_argument("--person", default="", metavar="ID", help="asked for, confirmed, voted on by this person")
    parser.add_argument("--change", default="", metavar="ID", help="about this change")
    parser.add_argument(
        "--before",
        type=partial(number, least=1),
        metavar="SEQ",
        help=f"only records before this one: a search goes through {MOST_SEARCHED:,} at once and says where to go on",
    )
    parser.set_defaults(audit=_tail)


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Verify the trail in the database, and the rows of changes, of servers' ends and of runbooks against it:"
        " sends without their approval, rows that were altered behind it, a trail that was cut under its rows. With"
        " FILE verify an export, records alone. Exit code 0: whole; 1: not, and each fault is printed with the"
        " record's number or the change's id. Who can write to the database could rewrite the whole chain: keep the"
        " head that a verification prints elsewhere, and give it to later ones with --noted."
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="an export; - is standard input")
    parser.add_argument(
        "--shipped",
        action="store_true",
        help="FILE was written by `vpsops audit ship`: it may begin with any record, hold records twice, and be cut at"
        " its end",
    )
    parser.add_argument(
        "--anchor",
        metavar="FILE",
        help="hold it to anchors: heads as they were posted to Slack, appended to a file or sent to a webhook, with"
        " whatever stands around them; - is standard input",
    )
    parser.add_argument("--noted", type=_noted, metavar="NUMBER:HASH", help="a head that was noted earlier")
    parser.set_defaults(audit=_verify)


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write the trail to standard output, one JSON object a line: a beginning, the records, an end. `vpsops audit"
        " verify FILE` verifies it without the database. A record's `hash` is SHA-256 of `previous`, a line feed and"
        " `record`."
    )
    parser.add_argument("--after", type=number, default=0, metavar="SEQ", help="begin after this record")
    parser.set_defaults(audit=_export)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand.

    Raises `ConfigurationError`, `StorageError`, and `InvalidInputError` for a missing record or change.
    """
    command: Callable[[argparse.Namespace], int] = arguments.audit
    return command(arguments)


def _noted(text: str) -> tuple[int, str]:
    match = NOTED.match(text.strip().lower())
    if match is None:
        raise argparse.ArgumentTypeError("must be a record's number, a colon and its hash of 64 digits")
    return int(match[1]), match[2]


def _tail(arguments: argparse.Namespace) -> int:
    try:
        return run_read(partial(_tail_in, arguments))
    except KeyboardInterrupt:
        if arguments.follow:  # that is how following ends
            return TRAIL_WHOLE
        raise


async def _tail_in(arguments: argparse.Namespace, database: Database) -> int:
    record_filter = RecordFilter(arguments.server, arguments.person, arguments.change)
    records, seen, further = await database.read(partial(_last, record_filter, arguments.limit, arguments.before))
    await _show(database, records)
    if further is not None:
        sys.stderr.write(f"Searched back to record {further}. For older ones: --before {further}.\n")
    while arguments.follow:
        mark = database.signals.mark(commit_notifier.AUDIT)
        records, now = await database.read(partial(_next, record_filter, seen))
        await _show(database, records)
        if now == seen:
            await database.signals.wait(FOLLOW_SECONDS, since=mark)
        seen = now
    return TRAIL_WHOLE


async def _show(database: Database, records: Sequence[TrailRecord]) -> None:
    humans = humans_of(records)
    names = await database.read(partial(account_names, humans=humans)) if humans else NO_NAMES
    for record in records:
        print_line(record_summary(record, names))
    sys.stdout.flush()


def _last(
    record_filter: RecordFilter, limit: int, before: int | None, connection: Connection
) -> tuple[list[TrailRecord], int, int | None]:
    """Return the last records that fit, oldest first, the number of the newest of all, and where the search ended.

    A search ends for nothing at the trail's beginning, and where enough was found.
    """
    records: list[TrailRecord] = []
    searched, newest = 0, chain.head(connection)[0]
    while len(records) < limit:
        if searched >= MOST_SEARCHED:
            return records, newest, before
        page = chain.newest(connection, PAGE, before=before, change_id=record_filter.change or None)
        if not page:
            break
        records = record_filter.sieve(connection, page) + records
        before, searched = page[0].seq, searched + len(page)
    return records[-limit:], newest, None


def _next(record_filter: RecordFilter, after: int, connection: Connection) -> tuple[list[TrailRecord], int]:
    page = chain.read(connection, after=after, limit=PAGE)
    return record_filter.sieve(connection, page), page[-1].seq if page else after


def _verify(arguments: argparse.Namespace) -> int:
    walk = ChainVerifier(noted=arguments.noted, anchors=_anchors(arguments))
    if arguments.file is None:
        if arguments.shipped:
            raise InvalidInputError("--shipped goes with FILE.", hint="Name the file, or - for standard input.")
        return run_read(partial(_verify_in, walk))
    report = VerificationReport()
    with _opened(arguments.file) as file:
        report.add((verify_shipped_lines if arguments.shipped else verify_lines)(_lines(file), walk))
    return report.close(walk)


def _anchors(arguments: argparse.Namespace) -> Mapping[int, str]:
    if arguments.anchor is None:
        return {}
    if arguments.anchor == arguments.file == "-":
        raise InvalidInputError("Standard input cannot be both the export and its anchors.", hint="Give one as a file.")
    with _opened(arguments.anchor) as file:
        return read_anchors(_lines(file), "Standard input" if arguments.anchor == "-" else arguments.anchor)


@contextmanager
def _opened(name: str) -> Iterator[TextIO]:
    try:
        with open(0 if name == "-" else name, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - or a number
            yield file
    except OSError as error:
        hint = "Name an export, or leave FILE out for the trail in the database."
        raise InvalidInputError(f"{name} cannot be read: {error.strerror}.", hint=hint) from None


def _lines(file: TextIO) -> Iterator[str]:
    """Read line by line; a line longer than any record comes in pieces, none of which is a record."""
    return iter(partial(file.readline, MAX_LINE + 1), "")


async def _verify_in(walk: ChainVerifier, database: Database) -> int:
    report, head, runbooks = VerificationReport(), (0, GENESIS), RunbookTrail()
    async for records, head in pages(database, 0):  # noqa: B007 - the last page's head is used below
        for record in records:
            report.add(walk.step(record))
            runbooks.step(record)
    report.add(walk.end(head))
    async for discrepancy in discrepancies(database):
        report.add_row(discrepancy)
    for name, why in await database.read(lambda connection: list(runbooks.differences(connection))):
        report.add_runbook(name, why)
    return report.close(walk)


class VerificationReport:
    """Reports faults as they are found, the first hundred of them, and counts all."""

    def __init__(self) -> None:
        self._count = 0
        self._rows: set[str] = set()
        self._runbooks = 0
        self._reported = 0

    def add(self, faults: Iterable[ChainFault]) -> None:
        """Report some faults."""
        for fault in faults:
            self._count += 1
            self._report(fault.what)

    def add_row(self, discrepancy: Discrepancy) -> None:
        """Report the fault of a change's row."""
        self._rows.add(discrepancy.change_id)
        self._report(cell(discrepancy, MAX_FAULT))

    def add_runbook(self, name: str, why: str) -> None:
        """Report a runbook that is not stored as it was applied last."""
        self._runbooks += 1
        self._report(cell(f"runbook {name}: {why}", MAX_FAULT))

    def _report(self, what: str) -> None:
        self._reported += 1
        if self._reported <= MAX_FAULTS:
            print_line(what)

    @property
    def _rows_text(self) -> str:
        counts = ((len(self._rows), "change"), (self._runbooks, "runbook"))
        return " and ".join(f"one {what}" if count == 1 else f"{count} {what}s" for count, what in counts if count)

    def close(self, walk: ChainVerifier) -> int:
        """Report the verdict and return its exit code."""
        if self._reported > MAX_FAULTS:
            print_line(f"and {self._reported - MAX_FAULTS} more")
        if self._count:
            faults = "one fault" if self._count == 1 else f"{self._count} faults"
            print_line(f"The trail is not whole: {faults} up to record {walk.seq}.")
            return TRAIL_BROKEN
        if walk.anchors:
            beyond = f" No anchor covers the records after {max(walk.anchors)}." if walk.carried else ""
            print_line(f"It carries {walk.carried} of {len(walk.anchors)} anchors.{beyond}")
        if self._rows or self._runbooks:
            what = f"does not carry {self._rows_text} as the database has it"
            print_line(f"The trail is whole up to record {walk.seq}, but {what}.")
            print_line("No change is sent that it does not carry. Find out who could write to the database.")
            if self._runbooks:
                print_line("A runbook that was put back can be run: apply it or remove it before it is.")
            return TRAIL_BROKEN
        print_line(f"The trail is whole up to record {walk.seq}. Its head to note: {walk.seq}:{walk.hash}")
        return TRAIL_WHOLE


def _export(arguments: argparse.Namespace) -> int:
    return run_read(partial(_export_in, arguments.after))


async def _export_in(after: int, database: Database) -> int:
    head = (0, GENESIS)
    print_line(begin_line(after, await database.read(partial(_hash_of, after))))
    async for records, head in pages(database, after):  # noqa: B007 - the last page's head is used below
        for record in records:
            print_line(record_line(record))
    print_line(end_line(*head))
    return TRAIL_WHOLE


def _hash_of(seq: int, connection: Connection) -> str:
    if seq == 0:
        return GENESIS
    stored: str | None = connection.scalars(sa.select(AUDIT.c.hash).where(AUDIT.c.seq == seq)).one_or_none()
    if stored is None:
        raise InvalidInputError(f"There is no record {seq}.", hint=f"The last one is {chain.head(connection)[0]}.")
    return stored
