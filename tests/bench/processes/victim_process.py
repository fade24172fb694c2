"""A process that approves stops of the servers named on its command line and runs them, until it is killed."""

import sys

import anyio

from tests.bench.change_requests import ALICE, decide, hold
from tests.fakes.accounts import EVERYBODY
from vpsops.core.app import open_core
from vpsops.core.config.logging import configure_logging
from vpsops.core.config.settings import load_settings


async def main(servers: list[str]) -> None:
    """Hold all the stops, approve them one right after another, say so, then only run."""
    settings = load_settings()
    configure_logging(settings)
    async with open_core(settings, front="worker", accounts=EVERYBODY) as core:
        held = [await hold(core, "stop", ALICE, server=server) for server in servers]
        for change in held:
            await decide(core, change)
        sys.stdout.write("approved all\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:])
