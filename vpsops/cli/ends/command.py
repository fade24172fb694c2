"""`vpsops ends`: the servers that end by themselves, the next one first."""

import argparse
import json
from functools import partial
from typing import Final

from vpsops.core.common.json_types import Json
from vpsops.core.common.redaction import redact
from vpsops.core.console.exit_codes import GOOD
from vpsops.core.console.terminal import cell, columns, print_line, run_read, when
from vpsops.core.ends.model import ServerEnd
from vpsops.core.ends.repository import open_ends
from vpsops.core.storage import Database

HEAD: Final = ("ENDS AT", "SERVER", "STATE", "OWNER", "MADE BY", "ID", "NOTE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops ends`."""
    parser.description = (
        "List the servers that end by themselves, the next one first, and those that people are asked about. Times are"
        " UTC. Reading needs no key and starts nothing."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")
    parser.epilog = "For example: vpsops create load01 ... --for 3d makes one; vpsops keep load01 1d keeps it longer."


def run(arguments: argparse.Namespace) -> int:
    """Print the list. Raises `StorageError`."""
    return run_read(partial(list_ends, as_json=arguments.json))


def end_document(end: ServerEnd) -> dict[str, Json]:
    """Return an end for scripts; times are of UTC."""
    return {
        "server": {"id": end.server_id, "hostname": end.hostname},
        "state": end.state.value,
        "ends_at": end.ends_at.isoformat(),
        "made_at": end.made_at.isoformat(),
        "owner": end.owner.claim,
        "made_by": end.change_id,
        "stop": end.stop_id,
        "deletion": end.delete_id,
        "note": end.note,
    }


async def list_ends(database: Database, *, as_json: bool = False) -> int:
    """Print the ends of all servers that are not gone."""
    ends = await database.read(open_ends)
    if as_json:
        print_line(redact(json.dumps({"ends": [end_document(end) for end in ends]}, indent=1)))
        return GOOD
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
