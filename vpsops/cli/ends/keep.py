"""`vpsops keep SERVER 2d`: give a server that ends by itself a later end."""

import argparse

import anyio

from vpsops.cli.operations.commands import Surroundings, quiet_settings, session_of
from vpsops.cli.operations.console import system_console
from vpsops.cli.operations.session import NAMED_IN, ORIGIN
from vpsops.core.changes.requests import Request
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.config.settings import Settings
from vpsops.core.console.exit_codes import GOOD, REFUSED, complain
from vpsops.core.ends.labels import end_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops keep`."""
    parser.description = (
        "Give a server that ends by itself a later end: by its owner, or those who may approve it. The time counts from"
        " its end, or from now where that has passed. The policy decides as about a new server, and max_life bounds it."
    )
    parser.add_argument("server", metavar="SERVER", help="its id, hostname or an unambiguous beginning of that")
    parser.add_argument("lifetime", metavar="TIME", nargs="+", help="how much longer, such as 2d or 12h")
    parser.add_argument("--because", metavar="REASON", default="", help="why, for the record")


def run(arguments: argparse.Namespace) -> int:
    """Keep a server, or return `REFUSED` where that is not allowed. Raises what else `Gate.keep_server` raises."""
    words = [arguments.server, "".join(arguments.lifetime)]
    try:
        return anyio.run(keep_server, quiet_settings(), words, arguments.because, Surroundings(system_console()))
    except NotAllowedError as error:
        complain(error)
        return REFUSED


async def keep_server(settings: Settings, words: list[str], reason: str, around: Surroundings) -> int:
    """Keep a server; `words` are its name and the time. Raises as `run` does."""
    async with session_of(settings, around, program=False) as session:
        named = {"server": words[0], "lifetime": words[1]}
        request = Request(
            "keep", named, session.actor, ORIGIN, reason=reason, can_confirm=session.asks, named_in=NAMED_IN
        )
        end = await session.core.gate.keep_server(request, scope=session.core.scope)
        around.console.note(f"{end.hostname} is kept. {end_text(end)}")
        return GOOD
