"""`vpsops reviews`: the runs without approval that still need a review, which another person closes in Slack."""

import argparse
import json
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection

from vpsops.core.break_glass import repository as reviews
from vpsops.core.changes.model import Change
from vpsops.core.changes.queries import select_by_ids
from vpsops.core.changes.scope import UNRESTRICTED
from vpsops.core.common.json_types import Json
from vpsops.core.console.terminal import cell, columns, print_line, run_read, when
from vpsops.core.storage import Database

HEAD: Final = ("ID", "OPERATION", "SERVER", "BY", "RUN", "BECAUSE")
MOST: Final = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops reviews`."""
    parser.description = (
        "List the changes that their asker ran without approval and that another person has to review, oldest first."
        " Times are UTC. A review is closed in Slack: on the card, on App Home or with /vps reviews."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    """List the open reviews. Raises `StorageError`."""
    return run_read(partial(list_reviews, as_json=arguments.json))


async def list_reviews(database: Database, *, as_json: bool) -> int:
    """Print the open reviews."""
    changes = await database.read(_open_reviews)
    if as_json:
        document: list[Json] = [review_document(change) for change in changes]
        print_line(json.dumps({"reviews": document}, indent=1))
    elif not changes:
        print_line("No review of a run without approval is open.")
    else:
        for line in columns([HEAD, *map(review_row, changes)]):
            print_line(line)
    return 0


def _open_reviews(connection: Connection) -> list[Change]:
    ids = list(reviews.open_ids(connection, MOST))
    changes = {change.id: change for change in select_by_ids(connection, ids, UNRESTRICTED)}
    return [changes[ident] for ident in ids if ident in changes]


def review_row(change: Change) -> tuple[str, ...]:
    """Return an open review as a row."""
    override = change.override
    ran, reason = (when(override.at.timestamp()), override.reason) if override is not None else ("", "")
    server = change.target.hostname or change.target.id
    return (change.id, change.operation, cell(server), cell(change.actor.label), ran, cell(reason, 200))


def review_document(change: Change) -> dict[str, Json]:
    """Return an open review as data."""
    override = change.override
    return {
        "change": change.id,
        "operation": change.operation,
        "server": change.target.hostname or change.target.id,
        "by": change.actor.label,
        "run_at": override.at.isoformat() if override is not None else None,
        "reason": override.reason if override is not None else "",
    }
