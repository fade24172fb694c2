"""`vpsops follow ID`: follow a change to its end, and run it here where no other process does."""

import argparse
from functools import partial

from vpsops.cli.operations.arguments import EXIT_CODES, add_wait
from vpsops.cli.operations.change_flow import follow
from vpsops.cli.operations.commands import execute_on_change
from vpsops.cli.operations.reports import RequestReport
from vpsops.cli.operations.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops follow`."""
    parser.description = (
        "Follow a change to its end: who decides it, and what becomes of it. An approved change is run here unless"
        " another process is faster."
    )
    parser.epilog = EXIT_CODES
    parser.add_argument("id", metavar="ID", help="the change; vpsops changes --open lists those that are not finished")
    add_wait(parser)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document, and nothing else, to standard output"
    )


def run(arguments: argparse.Namespace) -> int:
    """Follow a change and return the exit code of its end. Raises `UnknownChangeError`, `StorageError`."""
    return execute_on_change(arguments, partial(follow_change, arguments))


async def follow_change(arguments: argparse.Namespace, session: Session) -> RequestReport:
    """Follow a change; raises `UnknownChangeError`, `StorageError`."""
    change = await session.core.changes.get(arguments.id, scope=session.core.scope)
    if not change.state.final:
        await session.core.gate.start_engine()
    return await follow(session, change, arguments.wait)
