"""The simulated provider as a process of its own, and the levers and counts it offers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx

from tests.bench.children import environment, running, vpsops
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.app import credentials_of
from vpsops.core.common.clock import SystemClock
from vpsops.core.config.settings import Settings
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection

KEY: Final = "wayscloud_vps_bench1_SECRET"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request as the provider got it; `at` in seconds of the time of day."""

    at: float
    operation: str
    server: str


@dataclass(frozen=True, slots=True)
class BenchProvider:
    """A simulator in another process."""

    url: str
    control: httpx.AsyncClient

    def settings(self, database: str, **variables: str) -> Settings:
        """Return the settings of a core that uses this provider."""
        return Settings.model_validate(self.environ(database) | variables)

    def environ(self, database: str) -> dict[str, str]:
        """Return the same as variables."""
        return {
            "WAYSCLOUD_API_KEY": KEY,
            "WAYSCLOUD_API_URL": self.url,
            "VPSOPS_DATABASE_URL": database,
            "VPSOPS_LOG_LEVEL": "error",
        }

    async def total(self) -> int:
        """Return how many requests came in so far."""
        return int((await self._get("requests", since="999999999"))["total"])

    async def arrived(self, since: int) -> list[Arrived]:
        """Return the requests after number `since`."""
        requests = (await self._get("requests", since=str(since)))["requests"]
        return [
            Arrived(datetime.fromisoformat(item["at"]).timestamp(), item["operation"] or "", item["server_id"] or "")
            for item in requests
        ]

    async def effects(self) -> list[tuple[str, str]]:
        """Return what took effect: operation and server."""
        return [(item["operation"], item["server_id"]) for item in (await self._get("effects"))["effects"]]

    async def fault(self, **rule: Any) -> None:
        """Put a fault rule in force."""
        (await self.control.post("/_sim/faults", json=rule)).raise_for_status()

    async def running_servers(self) -> list[str]:
        """Return the ids of the servers that run."""
        settings = self.settings("")
        async with Wayscloud(
            ProviderConnection(credentials_of(settings), base_url=self.url, clock=SystemClock())
        ) as api:
            return [server.id for server in await api.list_servers() if server.ready]

    async def _get(self, what: str, **params: str) -> dict[str, Any]:
        answer = await self.control.get(f"/_sim/{what}", params=params)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document


@asynccontextmanager
async def provider(folder: Path, *, fleet: int = 0, speed: float = 60.0) -> AsyncIterator[BenchProvider]:
    """Run a simulator until the block is left."""
    words = ("simulator", "--port", "0", "--fleet", str(fleet), "--speed", str(speed), "--seed", "7")
    async with running(vpsops(*words), environment(folder)) as child:
        url = await child.line("simulator: ")
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as control:
            yield BenchProvider(url, control)
