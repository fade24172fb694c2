"""`vpsops mcp`: the server over standard input and output, for a client that starts it as a process."""

import argparse
import logging
import os
import signal
import sys

import anyio
from anyio.abc import TaskGroup
from mcp.server.stdio import stdio_server

from core.app import Core, open_core
from core.errors import VpsopsError
from core.logs import configure_logging
from core.settings import Settings, load_settings
from mcp_server.server import build_server

DESCRIPTION = (
    "Serve the Model Context Protocol on standard input and output, in both protocol eras. Logs go to standard error."
    " It starts without a key and without the provider; a tool that needs them says what to set."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops mcp`."""
    parser.description = DESCRIPTION


def run(_: argparse.Namespace) -> int:
    """Serve until the client closes its end or a signal comes.

    Raises `ConfigurationError` where the settings do not load, `StorageError` where nothing can be stored.
    """
    settings = load_settings()
    configure_logging(settings)
    anyio.run(serve, settings)
    return 0


async def serve(settings: Settings) -> None:
    """Serve one client on this process's standard streams."""
    failure: VpsopsError | None = None
    async with anyio.create_task_group() as group:
        try:
            if await _serve_core(settings, group):
                leave()
        except VpsopsError as error:  # out of the group before it is raised, so that it stays itself
            failure = error
    if failure is not None:
        raise failure


async def _serve_core(settings: Settings, group: TaskGroup) -> bool:
    """Serve until either end stops it; returns whether it was a signal."""
    async with open_core(settings, front="mcp") as core:
        ended = anyio.Event()
        signalled = anyio.Event()
        group.start_soon(_serve_streams, core, ended)
        watcher = anyio.CancelScope()
        group.start_soon(_watch_signals, watcher, signalled, ended)
        await ended.wait()
        watcher.cancel()
        return signalled.is_set()


async def _serve_streams(core: Core, ended: anyio.Event) -> None:
    server = build_server(core)
    try:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
    finally:
        ended.set()


async def _watch_signals(scope: anyio.CancelScope, signalled: anyio.Event, ended: anyio.Event) -> None:
    with scope, anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            signalled.set()
            ended.set()


def leave() -> None:
    """End the process: a thread still waits on standard input, which no cancellation reaches."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(0)
