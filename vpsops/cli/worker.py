"""`vpsops worker`: a process that only runs, watches and keeps changes, beside the front ends."""

import argparse
import os
import socket
import sys
from typing import Final

import anyio

from vpsops.core.app import credentials_of, open_core
from vpsops.core.common.clock import SystemClock
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.logging import configure_logging
from vpsops.core.config.reloader import Commit, do_nothing
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.server.health_routes import add_health_flag, health_socket, served_health, served_metrics
from vpsops.core.server.service_manager import reported
from vpsops.core.server.shutdown import keep_hang_up, stopping
from vpsops.core.wayscloud.answers.errors import NotAuthenticatedError
from vpsops.core.wayscloud.requests.transport import NO_KEY

KEYLESS: Final = "A worker sends changes, and there is no WAYSCloud key."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops worker`."""
    parser.description = (
        "Run changes that others have approved and watch them to their end, until SIGTERM. "
        "The front ends do so themselves; a worker goes on while they restart."
    )
    add_health_flag(parser)
    parser.epilog = "needs WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN, and the database of the front ends."


def run(arguments: argparse.Namespace) -> int:
    """Run until stopped.

    Raises `ConfigurationError`, `StorageError`, and `NotAuthenticatedError` without a key.
    """
    keep_hang_up()
    settings = load_settings()
    if credentials_of(settings) is None:  # its changes would fail, although another process could send them
        raise NotAuthenticatedError(KEYLESS, hint=NO_KEY)
    configure_logging(settings)
    anyio.run(_work, settings, health_socket(arguments.health))
    return 0


async def _prepare(settings: Settings) -> Commit:
    """Refuse settings without a key, as a start does."""
    if credentials_of(settings) is None:
        raise ConfigurationError(KEYLESS, hint=NO_KEY)
    return do_nothing


async def _work(settings: Settings, health: socket.socket | None) -> None:
    async with (
        open_core(settings, front="worker") as core,
        served_health(core.readiness, health),
        served_metrics(core.readiness, settings),
        stopping(core.outdated, core.reloader.request) as stop,
        reported(SystemClock(), os.environ),
    ):
        core.reloader.add(core.reloader.prepare_logging)
        core.reloader.add(_prepare)
        sys.stdout.write("worker: running\n")
        sys.stdout.flush()
        await stop.wait()
