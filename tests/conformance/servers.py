"""The servers under test: the production object with the suite's fixtures, and `vpsops mcp --http` as it is."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.conformance.fixtures import add_fixtures
from tests.fakes.accounts import EVERYBODY
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.app import Core, open_core
from vpsops.core.config.settings import Settings
from vpsops.core.server.http_server import listen
from vpsops.mcp_server.auth.middleware import open_verifier
from vpsops.mcp_server.auth.principal import Caller
from vpsops.mcp_server.http.app import open_server
from vpsops.mcp_server.http.config import http_config_from
from vpsops.mcp_server.http.server import serve_mcp
from vpsops.mcp_server.server import ServerOptions, build_server
from vpsops.mcp_server.tools.change_flow import CallContext
from vpsops.mcp_server.tools.change_tasks import ChangeTasks
from vpsops.mcp_server.tools.walks import ServerListCache
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

HUMAN: Final = "conformance@example.com"
KEY: Final = "wayscloud_vps_test1_SECRET"
BOUND: Final = PATIENCE_SECONDS


@asynccontextmanager
async def provider() -> AsyncIterator[dict[str, str]]:
    """Run a simulated provider; yields the settings that lead to it."""
    async with running_simulator(SimulatorConfig(seed=7)) as simulator:
        yield {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": simulator.url}


@asynccontextmanager
async def core_in(directory: Path, settings_of: dict[str, str]) -> AsyncIterator[Core]:
    """Open a core on a database of its own."""
    database = f"sqlite:///{directory / 'fixtures.sqlite3'}"
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": database, **settings_of})
    async with open_core(settings, front="mcp", accounts=EVERYBODY) as core:
        yield core


@asynccontextmanager
async def with_fixtures(core: Core) -> AsyncIterator[str]:
    """Serve our server object with the fixtures on it, through the same HTTP as in production; yields the address."""
    sock = listen("127.0.0.1", 0)
    site = http_config_from(core.settings, sock, core.clock)
    server = build_server(core, ServerOptions(human=HUMAN))
    add_fixtures(server, ChangeTasks(CallContext(core, lambda _: Caller(human=HUMAN), ServerListCache(core.clock))))
    stop = anyio.Event()
    async with (
        open_verifier(site.access, core.clock) as verifier,
        open_server(server, site, verifier) as served,
        anyio.create_task_group() as group,
    ):
        group.start_soon(serve_mcp, served, served.asgi(core), sock, stop)
        yield site.local
        stop.set()


@asynccontextmanager
async def as_it_is(directory: Path, settings: dict[str, str]) -> AsyncIterator[str]:
    """Start `vpsops mcp --http` with no more configured than its provider; yields the address."""
    command = (sys.executable, "-m", "vpsops", "mcp", "--http", "127.0.0.1:0")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "XDG_STATE_HOME": str(directory), **settings}
    log = (directory / "server.log").open("wb")
    with log:
        async with await anyio.open_process(command, env=environment, stderr=log, stdin=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            try:
                with anyio.fail_after(BOUND):
                    line = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 1000)
                yield line.decode().removeprefix("mcp: ")
            finally:
                process.terminate()
