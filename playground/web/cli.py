"""`vpsops playground`: everything embedded, one address for a browser."""

import argparse
import gc
import os
import signal
import socket
import sys
from collections.abc import Mapping

import anyio

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.text import whole_number
from vpsops.playground.agents.program import program_words
from vpsops.playground.wayscloud.serve import listen
from vpsops.playground.web.asgi_server import served
from vpsops.playground.web.provider import SPEEDS
from vpsops.playground.web.runtime import RuntimeOptions, populated, running_ground

HIGHEST_PORT = 65535
AGENT_MODEL = "PLAYGROUND_AGENT_MODEL"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vpsops playground`."""
    parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
    parser.description = (
        "Start a simulated provider, a simulated Slack workspace, the real bot and the real MCP server on this "
        "machine, and serve a page that shows all of it. Nothing is kept; no account is needed."
    )
    parser.add_argument("--port", type=_port, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--speed", type=int, choices=SPEEDS, default=10, help="how fast the provider's time passes")
    parser.add_argument(
        "--agent-model",
        metavar="COMMAND",
        default=argparse.SUPPRESS,
        help=f"program that plays the agent, a line of JSON for each step (docs/playground.md; or {AGENT_MODEL}); "
        "without it the agent is scripted",
    )


def _port(text: str) -> int:
    port = whole_number(text, 0, HIGHEST_PORT)
    if port is None:
        raise argparse.ArgumentTypeError(f"a port is between 0 and {HIGHEST_PORT}")
    return port


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; the first line on standard output is `playground: ` and the address."""
    options = options_of(arguments, os.environ)
    try:
        listener = listen(arguments.port)
    except OSError as error:
        raise ConfigurationError(
            f"Port {arguments.port} on 127.0.0.1 cannot be used: {error.strerror}.", hint="Leave --port out."
        ) from None
    with listener:
        anyio.run(_main, options, listener)
    gc.freeze()  # a second less at exit: the final garbage collection skips the objects that are left
    return 0


def options_of(arguments: argparse.Namespace, environ: Mapping[str, str]) -> RuntimeOptions:
    """Return what was asked for; the command line wins over the environment. Raises `ConfigurationError`."""
    command = getattr(arguments, "agent_model", environ.get(AGENT_MODEL, ""))
    try:
        return RuntimeOptions(arguments.speed, tuple(program_words(command)) if command else ())
    except ValueError as error:
        raise ConfigurationError(
            f"The agent's program cannot be started: {error}.",
            hint=f"Correct --agent-model or {AGENT_MODEL}, or leave it out: then the agent is scripted.",
        ) from None


async def _main(options: RuntimeOptions, listener: socket.socket) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with running_ground(options) as ground, served(ground, listener), populated(ground):
            sys.stdout.write(f"playground: {ground.url}\n")
            sys.stdout.flush()
            async for _ in signals:
                return
