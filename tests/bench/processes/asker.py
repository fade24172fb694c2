"""A process that asks for changes which are then held, one after another, until a stop signal; prints how many."""

import sys

import anyio

from tests.bench.change_requests import hold_create
from tests.fakes.accounts import EVERYBODY
from vpsops.core.app import open_core
from vpsops.core.config.logging import configure_logging
from vpsops.core.config.settings import load_settings


async def main(first: int, seconds: float) -> None:
    """Say when ready, wait for a line, ask for some seconds, and say for how many changes."""
    settings = load_settings()
    configure_logging(settings)
    async with open_core(settings, front="worker", accounts=EVERYBODY) as core:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.readline)
        count = 0
        with anyio.move_on_after(seconds):
            while True:
                await hold_create(core, first + count)
                count += 1
        sys.stdout.write(f"asked {count}\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]), float(sys.argv[2]))
