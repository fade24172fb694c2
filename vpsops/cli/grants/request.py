"""`vpsops grant AGENT OPERATION SERVERS --for 1h`: ask that an agent may repeat an operation without votes."""

import argparse
from functools import partial
from typing import Final

from vpsops.cli.operations.arguments import EXIT_CODES, add_wait, words_of_operations
from vpsops.cli.operations.change_flow import request_grant
from vpsops.cli.operations.commands import execute_on_change
from vpsops.cli.operations.reports import RequestReport
from vpsops.cli.operations.session import Session
from vpsops.core.grants.requests import GrantRequest, grant_seconds, grantable

EXAMPLE: Final = "For example: vpsops grant claude-code reboot web01 web02 --for 1h --uses 10 --because 'on call'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops grant`."""
    parser.description = (
        "Ask that an agent may repeat an operation without votes for a time. The request is held for the votes that"
        " the agent's change would need, and not for yours. vpsops grants lists what is open."
    )
    parser.epilog = f"{EXAMPLE}\n\n{EXIT_CODES}"
    parser.add_argument("agent", metavar="AGENT", help="the agent, as it calls itself")
    parser.add_argument("operation", metavar="OPERATION", help="what it may repeat, such as reboot")
    parser.add_argument("servers", metavar="SERVER", nargs="+", help="servers, or all patterns of the rule")
    parser.add_argument("--of", metavar="PERSON", default="", help="the agent's person, where several agents are meant")
    parser.add_argument("--for", metavar="TIME", dest="lasts", required=True, help="how long, such as 30m or 2h")
    parser.add_argument("--uses", metavar="N", type=int, default=None, help="how often; by default what the rule lets")
    parser.add_argument("--because", metavar="REASON", default="", help="the reason, which those who vote read")
    add_wait(parser)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document, and nothing else, to standard output"
    )


def run(arguments: argparse.Namespace) -> int:
    """Ask for a grant, and return the exit code of its end. Raises what the gate raises."""
    return execute_on_change(arguments, partial(ask_grant, arguments))


async def ask_grant(arguments: argparse.Namespace, session: Session) -> RequestReport:
    """Ask for a grant and follow the request; raises as `run` does."""
    entry = words_of_operations().get(arguments.operation)
    operation = grantable(entry.name if entry is not None else arguments.operation)
    asked = GrantRequest(
        session.request(operation, {}, arguments.because),
        tuple(arguments.servers),
        grant_seconds(arguments.lasts),
        arguments.uses,
        arguments.agent,
        arguments.of,
    )
    return await request_grant(session, asked, arguments.wait)
