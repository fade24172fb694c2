"""`vpsops grants`: what agents may do without votes for now, and the end of it."""

import argparse
from functools import partial
from typing import Final

import anyio

from vpsops.cli.operations.commands import Surroundings, quiet_settings, session_of
from vpsops.cli.operations.console import system_console
from vpsops.core.changes.scope import UNRESTRICTED
from vpsops.core.config.settings import Settings
from vpsops.core.console.exit_codes import GOOD
from vpsops.core.console.terminal import cell, columns, print_line, run_read, when
from vpsops.core.grants.model import Grant
from vpsops.core.grants.queries import open_in
from vpsops.core.storage import Database

HEAD: Final = ("ID", "OPERATION", "SERVERS", "AGENT", "HUMAN", "UNTIL", "USED")
EVIDENCE: Final = "at a terminal, not verified"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops grants`."""
    parser.description = (
        "List the open grants: what agents may do without votes for now. Times are UTC. Reading needs no key and starts"
        " nothing. With --end one of them is ended, by its agent's human or an approver that a rule names."
    )
    parser.add_argument("--end", metavar="ID", default="", help="end this grant; what is asked for then takes votes")


def run(arguments: argparse.Namespace) -> int:
    """Print the list, or end a grant. Raises `StorageError`, and what `Gate.end_grant` raises."""
    if arguments.end:
        return anyio.run(end_grant, quiet_settings(), arguments.end, Surroundings(system_console()))
    return run_read(list_grants)


async def list_grants(database: Database) -> int:
    """Print the open grants."""
    grants = await database.read(partial(open_in, visibility=UNRESTRICTED, now=database.clock.now()))
    if not grants:
        print_line("No grant is open.")
        return GOOD
    for line in columns([HEAD, *map(grant_row, grants)]):
        print_line(line)
    return GOOD


def grant_row(grant: Grant) -> tuple[str, ...]:
    """Return a grant as a row of the table."""
    return (
        grant.id,
        grant.operation,
        cell(grant.servers_text, 40),
        cell(grant.agent.claim, 40),
        cell(grant.agent.person, 40),
        when(grant.until.timestamp()),
        f"{grant.used} of {grant.uses}",
    )


async def end_grant(settings: Settings, grant_id: str, around: Surroundings) -> int:
    """End a grant; raises as `run` does."""
    async with session_of(settings, around, program=False) as session:
        core = session.core
        grant = await core.gate.end_grant(grant_id, session.actor, evidence=EVIDENCE, scope=core.scope)
        around.console.note(f"{grant.id} is ended. What is asked for now takes votes.")
        return GOOD
