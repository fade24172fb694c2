"""`vpsops scheduled`: the changes that run later and the stops of servers at their ends, the next one first."""

import argparse
from datetime import datetime, timedelta, tzinfo
from functools import partial
from operator import itemgetter
from typing import Final

from vpsops.core.changes.labels import phase_label
from vpsops.core.changes.model import Change
from vpsops.core.changes.queries import select_scheduled
from vpsops.core.changes.scope import UNRESTRICTED
from vpsops.core.common.timings import END_TOLERANCE_SECONDS
from vpsops.core.console.terminal import cell, columns, print_line, run_read
from vpsops.core.ends.model import EndState, ServerEnd
from vpsops.core.ends.repository import open_ends
from vpsops.core.storage import Database

HEAD: Final = ("RUNS AT", "UNTIL", "ID", "STATE", "OPERATION", "SERVER", "BY", "ASKED AS")
SHAPE: Final = "%Y-%m-%d %H:%M %Z"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops scheduled`."""
    parser.description = (
        "List the changes that run later, the next one first: agreed to, or still waiting for people; and the stops of"
        " servers at their ends. Times are of this machine's zone. Reading needs no key and starts nothing."
    )
    parser.epilog = "For example: vpsops reboot web01 --at 02:00; vpsops cancel CHANGE withdraws one."


def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001 - every subcommand takes them
    """Print the list. Raises `StorageError`."""
    return run_read(partial(list_scheduled, zone=None))


async def list_scheduled(database: Database, zone: tzinfo | None) -> int:
    """Print the changes that run later; without a zone in that of this machine."""
    changes = await database.read(partial(select_scheduled, visibility=UNRESTRICTED))
    ends = [end for end in await database.read(open_ends) if end.state is EndState.OPEN]
    timed = [(change.schedule.run_at, row) for change in changes if change.schedule for row in _rows(change, zone)]
    timed += [(end.ends_at, _end_row(end, zone)) for end in ends]
    if not timed:
        print_line("Nothing is scheduled.")
        return 0
    for line in columns([HEAD, *(row for _, row in sorted(timed, key=itemgetter(0)))]):
        print_line(line)
    return 0


def _rows(change: Change, zone: tzinfo | None) -> list[tuple[str, ...]]:
    schedule = change.schedule
    if schedule is None:
        return []
    server = change.target.hostname or change.target.id
    row = (
        _local(schedule.run_at, zone),
        _local(schedule.run_until, zone),
        change.id,
        phase_label(change).label,
        change.operation,
    )
    return [(*row, cell(server, 40), cell(change.actor.claim, 40), cell(schedule.words, 80))]


def _end_row(end: ServerEnd, zone: tzinfo | None) -> tuple[str, ...]:
    until = end.ends_at + timedelta(seconds=END_TOLERANCE_SECONDS)
    row = (_local(end.ends_at, zone), _local(until, zone), end.change_id, "to come", "stop", cell(end.hostname, 40))
    return (*row, cell(end.owner.claim, 40), "its end")


def _local(moment: datetime, zone: tzinfo | None) -> str:
    return f"{moment.astimezone(zone):{SHAPE}}"
