"""`vpsops store accept`: a person at a terminal accepts a database that was rolled back."""

import argparse
import sys
from collections.abc import Callable
from typing import Final

import anyio
from sqlalchemy.engine import Connection

from vpsops.core.app.services import head_file_of
from vpsops.core.audit import chain
from vpsops.core.common.clock import Clock, SystemClock
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.local_identity import human_of
from vpsops.core.config.logging import configure_logging, secrets_of
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.console.terminal import HIDDEN, cell, print_line, when
from vpsops.core.continuity import continuity_monitor
from vpsops.core.continuity.continuity_monitor import ContinuityMonitor, RollbackFinding
from vpsops.core.storage import open_database

GOOD, REFUSED = 0, 1
PROCESS: Final = "vpsops store"
Ask = Callable[[str], str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops store` and its subcommand."""
    parser.description = (
        "The database as a whole. Where it went back (a lagging standby took over, a backup was put in place), approved"
        " changes may have been sent already: each needs a person, and vpsops doctor says so until a person accepts the"
        " database as it is."
    )
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    parser_of_accept = commands.add_parser("accept", help="accept a database that went back, as it is; asks back")
    parser_of_accept.description = (
        "Show how the database went back and accept it as it is, on record. Settles no change: each that needs a person"
        " is settled in Slack, or by vpsops changes ID --settle. Asks for the number of the last audit record."
    )


def run(_arguments: argparse.Namespace) -> int:
    """Ask at the terminal and accept. Raises `ConfigurationError` without a terminal, `StorageError`."""
    if not sys.stdin.isatty():
        raise ConfigurationError("Accepting needs a person at a terminal.", hint="Run it by hand, with no pipe.")
    settings = load_settings()
    configure_logging(settings)
    return anyio.run(accept, settings, SystemClock(), input)


async def accept(settings: Settings, clock: Clock, ask: Ask) -> int:
    """Accept once the number of the trail's last record was typed; return 1 when another was.

    Checks first, as a process does at its start, since it may be the first to notice. Raises `StorageError`.
    """
    HIDDEN.set(secrets_of(settings))
    async with open_database(settings.database, clock, make=False) as database:
        await ContinuityMonitor(database, clock, PROCESS, head_file_of(settings)).open()
        findings = [finding for finding in await database.read(continuity_monitor.findings_of) if not finding.accepted]
        if not findings:
            print_line("The database is the one that was known. There is nothing to accept.")
            return GOOD
        for finding in findings:
            _show(finding)
        seq, _ = await database.read(chain.head)
        if ask(f"To accept the database as it is, type the number of its last record, {seq}: ").strip() != str(seq):
            print_line("Another number was typed, so nothing was accepted.")
            return REFUSED
        by = {"kind": "person", "id": human_of(settings)}

        def work(connection: Connection) -> int:
            return continuity_monitor.accept(connection, clock, by)

        await database.transact(work)
    print_line("Accepted, on record. Changes that need a person still do: vpsops changes --open.")
    return GOOD


def _show(finding: RollbackFinding) -> None:
    print_line(f"Noticed at {when(finding.at)} by {cell(finding.process)}: {cell(finding.what, 300)}.")
    if finding.changes:
        print_line(f"Approved then, and perhaps sent already: {cell(', '.join(finding.changes), 1000)}.")
