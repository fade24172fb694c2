"""A simulator in this process on a clock that the test moves, and a client with a key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import httpx

from tests.fakes.clock import FakeClock
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.playground.wayscloud.app import create_app
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.simulator import Simulator

KEY = "wayscloud_vps_abc12_TESTSECRET"
WEB = "b5c6d7e8-f9a0-1234-5678-90abcdef1234"
DB = "c6d7e8f9-a0b1-2345-6789-0abcdef12345"
DOCUMENTED_ORDER = {"plan_code": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}
ORDERS = {
    "live": DOCUMENTED_ORDER,
    "seed": DOCUMENTED_ORDER,
    "terraform": {"plan_code": "NO-Start-Linux-2cpu-4096mb-30gb", "region": "oslo", "os_template": "ubuntu-24.04"},
    "sdk": {"plan_code": "NO-Start-Linux-2cpu-4096mb-30gb", "region": "NO", "os_template": "ubuntu-24.04"},
}


class WatchedClock(FakeClock):
    """A clock that signals when a task waits on it."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_on = anyio.Event()

    async def sleep(self, seconds: float) -> None:
        """Wait, after recording the wait."""
        self.waited_on.set()
        await super().sleep(seconds)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a test works with; `api` follows redirects and sends a key."""

    api: httpx.AsyncClient
    clock: WatchedClock
    simulator: Simulator

    async def order(self, hostname: str = "new.example.com", **fields: object) -> httpx.Response:
        """Order a server with what the dialect accepts."""
        body = {"hostname": hostname, **ORDERS[self.simulator.dialect.name], **fields}
        return await self.api.post("/v1/vps", json=body)

    async def fault(self, **rule: object) -> None:
        """Put a fault rule in force."""
        (await self.api.post("/_sim/faults", json=rule)).raise_for_status()

    async def effects(self) -> dict[str, int]:
        """Return the counted effects by operation."""
        counts: dict[str, int] = (await self.api.get("/_sim/effects")).json()["counts"]
        return counts


@asynccontextmanager
async def bench(config: SimulatorConfig | None = None) -> AsyncIterator[Bench]:
    """Set up a simulator of the API page with the clock's seconds, unless the configuration differs."""
    clock = WatchedClock()
    app = create_app(config or SimulatorConfig(speed=1, dialect="seed"), clock)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://simulator",
        headers={"x-api-key": KEY},
        follow_redirects=True,
        timeout=PATIENCE_SECONDS,
    ) as api:
        yield Bench(api, clock, app.simulator)
