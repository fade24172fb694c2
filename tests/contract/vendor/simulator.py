"""A simulator in the `live` dialect, served from a thread of its own for the vendor's clients, which block."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from anyio.from_thread import start_blocking_portal

from vpsops.playground.wayscloud.account.account import World
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

KEY = "wayscloud_pat_abc1234567_TESTSECRET"
WEB = "b5c6d7e8-f9a0-1234-5678-90abcdef1234"
DB = "c6d7e8f9-a0b1-2345-6789-0abcdef12345"
ORDER = {"hostname": "new.example.com", "plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}
HOUR = 3600.0


@contextmanager
def served(*, restores: bool = False) -> Iterator[SimulatorHandle]:
    """Serve a simulator at the machine's own speed until the block is left."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running_simulator(SimulatorConfig(speed=1.0, restores=restores))) as handle,
    ):
        yield handle


def effects(world: World) -> Mapping[str, int]:
    """Return how often each operation took effect."""
    return dict(world.counts)
