"""`vpsops ends`: the servers that end by themselves, the next one first."""

import argparse
from typing import Final

from vpsops.core.console.exit_codes import GOOD
from vpsops.core.console.terminal import cell, columns, print_line, run_read, when
from vpsops.core.ends.repository import open_ends
from vpsops.core.storage import Database

HEAD: Final = ("ENDS AT", "SERVER", "STATE", "OWNER", "MADE BY", "ID", "NOTE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops ends`."""
    parser.description = (
        "List the servers that end by themselves, the next one first, and those that people are asked about. Times are"
        " UTC. Reading needs no key and starts nothing."
    )
    parser.epilog = "For example: vpsops create load01 ... --for 3d makes one; vpsops keep load01 1d keeps it longer."


def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001 - every subcommand takes them
    """Print the list. Raises `StorageError`."""
    return run_read(list_ends)


async def list_ends(database: Database) -> int:
    """Print the ends of all servers that are not gone."""
    ends = await database.read(open_ends)
    if not ends:
        print_line("No server ends by itself.")
        return GOOD
    rows = [
        (
            when(end.ends_at.timestamp()),
            cell(end.hostname, 40),
            end.state.value,
            cell(end.owner.claim, 40),
            end.change_id,
            cell(end.server_id, 40),
            cell(end.note, 120),
        )
        for end in ends
    ]
    for line in columns([HEAD, *rows]):
        print_line(line)
    return GOOD
