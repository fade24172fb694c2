"""`vpsops cancel ID`: withdraw one's own change before it is sent."""

import argparse
from functools import partial

from vpsops.cli.operations.commands import execute_on_change
from vpsops.cli.operations.reports import RequestReport
from vpsops.cli.operations.session import Session
from vpsops.core.console.exit_codes import GOOD


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops cancel`."""
    parser.description = "Withdraw a change that you or your agents asked for, before it is sent."
    parser.add_argument("id", metavar="ID", help="the change; vpsops changes --open lists those that are not finished")
    parser.add_argument("--because", metavar="REASON", default="", help="why, for the record")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document, and nothing else, to standard output"
    )


def run(arguments: argparse.Namespace) -> int:
    """Withdraw a change. Raises `NotAllowedError`, `StaleChangeError`, `UnknownChangeError`."""
    return execute_on_change(arguments, partial(cancel_change, arguments))


async def cancel_change(arguments: argparse.Namespace, session: Session) -> RequestReport:
    """Withdraw a change; raises as `run` does."""
    core = session.core
    change = await core.gate.cancel(arguments.id, session.actor, reason=arguments.because, scope=core.scope)
    return RequestReport("done", GOOD, change)
