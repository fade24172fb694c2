"""`vpsops worker`: a process that only runs, watches and keeps changes, beside the front ends."""

import argparse
import sys

import anyio

from core.app import open_core
from core.logs import configure_logging
from core.settings import Settings, load_settings
from core.signals import stopping


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops worker`."""
    parser.description = (
        "Run changes that others have approved and watch them to their end, until SIGTERM. "
        "The front ends do so themselves; a worker goes on while they restart."
    )


def run(_arguments: argparse.Namespace) -> int:
    """Work until told to stop; raises `ConfigurationError` or `StorageError`."""
    settings = load_settings()
    configure_logging(settings)
    anyio.run(_work, settings)
    return 0


async def _work(settings: Settings) -> None:
    async with open_core(settings, front="worker"), stopping() as stop:
        sys.stdout.write("worker: running\n")
        sys.stdout.flush()
        await stop.wait()
