"""`vpsops mcp`: the server over standard input and output, for a client that starts it as a process, or over HTTP."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from vpsops.core.app import open_core
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.timings import GRACE_SECONDS
from vpsops.core.config.logging import configure_logging
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.console.exit_codes import complain
from vpsops.core.server.shutdown import keep_hang_up, on_stop
from vpsops.mcp_server import fast_start
from vpsops.mcp_server.auth.access import add_flags, reach_from_flags
from vpsops.mcp_server.http import EXAMPLE, PATH
from vpsops.mcp_server.protocol.lines import MessageReader, read_lines
from vpsops.mcp_server.protocol.pending_requests import PendingRequests
from vpsops.mcp_server.protocol.shutdown import Shutdown
from vpsops.mcp_server.server import ServerOptions, build_server

DESCRIPTION = (
    "Serve the Model Context Protocol on standard input and output, or over HTTP, in both protocol eras. Logs go to"
    " standard error."
    " It starts without a key and without the provider; a tool that needs them says what to set."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops mcp`."""
    from vpsops.cli.hosts import command as hosts  # noqa: PLC0415 - not for a process that serves

    add_serving_arguments(parser)
    hosts.add_arguments(parser)


def add_serving_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops mcp` without the words that write a host's configuration."""
    parser.description = DESCRIPTION
    parser.epilog = "Over HTTP, other machines are served once callers authenticate: see docs/mcp.md."
    parser.add_argument(
        "--http",
        metavar="HOST:PORT",
        help=f"serve Streamable HTTP at this address under {PATH}, such as {EXAMPLE} (port 0 takes a free one)",
    )
    add_flags(parser)
    parser.set_defaults(action=None)


def run(arguments: argparse.Namespace) -> int:
    """Serve until the client closes its end or a signal comes.

    Raises `ConfigurationError` where the settings do not load, `StorageError` where nothing can be stored.
    """
    if arguments.action is not None:
        from vpsops.cli.hosts import command as hosts  # noqa: PLC0415 - as above

        return hosts.run(arguments)
    keep_hang_up()
    settings = load_settings()
    configure_logging(settings)
    options = ServerOptions(reach=reach_from_flags(arguments))
    if arguments.http is not None:
        from vpsops.mcp_server.http.server import run_http  # noqa: PLC0415 - not for a process on stdio

        fast_start.end_lean_imports()
        run_http(settings, arguments.http, options)
        return 0
    fast_start.end_lean_imports()
    anyio.run(serve, settings, StdioOptions(arguments.handover or fast_start.Handover(), arguments.words, options))
    return 0


async def serve(settings: Settings, start: "StdioOptions") -> None:
    """Serve one client on this process's standard streams, from where the start-up front left it."""
    failure: VpsopsError | None = None
    began = anyio.Event()
    async with anyio.create_task_group() as group:
        try:
            if await _serve_core(settings, group, start, began):
                exit_process()
        except VpsopsError as error:  # out of the group before it is raised, so that it stays itself
            if began.is_set():  # a thread waits on standard input
                exit_process(complain(error))
            failure = error
    if failure is not None:
        raise failure


@dataclass(frozen=True, slots=True)
class StdioOptions:
    """How this process was started: by which words, how far the front went, and what the words ask for."""

    handover: fast_start.Handover
    words: Sequence[str]
    options: ServerOptions


async def _serve_core(settings: Settings, group: TaskGroup, start: StdioOptions, began: anyio.Event) -> bool:
    """Serve until either end stops it; return whether a thread may still wait on standard input."""
    async with open_core(settings, front="mcp") as core:
        core.reloader.add(core.reloader.prepare_logging)
        end = _StdioShutdown(Shutdown(), PendingRequests())
        server = build_server(core, replace(start.options, shutdown=end.shutdown, same_machine=True))
        server.middleware.insert(0, end.unanswered)
        group.start_soon(_serve_streams, server, end, start)
        async with on_stop(
            partial(_begin_end, group, end), lambda _: end.ended.set(), core.outdated, core.reloader.request
        ):
            began.set()
            await end.ended.wait()
        return end.shutdown.begun or end.unanswered.gone


@dataclass(frozen=True, slots=True)
class _StdioShutdown:
    """The end of serving one client."""

    shutdown: Shutdown
    unanswered: PendingRequests
    ended: anyio.Event = field(default_factory=anyio.Event)


async def _serve_streams(server: Server[Any], end: _StdioShutdown, start: StdioOptions) -> None:
    stdin, stdout = fast_start.open_streams(start.handover)
    try:
        lines: Any = MessageReader(read_lines(stdin), end.unanswered, end.shutdown)
        async with stdio_server(lines, end.unanswered.watching(stdout)) as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
            await fast_start.store_answers(server, start.words)
    finally:
        end.ended.set()


def _begin_end(group: TaskGroup, end: _StdioShutdown) -> None:
    """Have calls under way answered, and end with the last answer."""
    end.shutdown.begin()
    group.start_soon(_finish, end)


async def _finish(end: _StdioShutdown) -> None:
    with anyio.move_on_after(GRACE_SECONDS):
        await end.unanswered.none()
    end.ended.set()


def exit_process(code: int = 0) -> None:
    """End the process: a thread still waits on standard input, which no cancellation reaches."""
    with suppress(OSError, ValueError):  # the reader of standard error has gone too
        logging.shutdown()
        sys.stderr.flush()
    os._exit(code)
