"""`vpsops mcp` while its question is open, and the host goes, closes its end, or stops the process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process

from tests.e2e.test_mcp_hosts import HELLO, LIST, READY, lines
from tests.fakes.accounts import EVERYBODY
from tests.fakes.storage.databases import migrated
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.core.app import open_core
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
COMMAND = (sys.executable, "-m", "vpsops", "mcp")
STOP = {**LIST, "params": {"name": "vps_stop", "arguments": {"server": "web01"}}}
ASKS = {**HELLO, "params": {**HELLO["params"], "capabilities": {"elicitation": {}}}}  # type: ignore[dict-item]


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as handle:
        yield handle


async def _end(process: Process, end: str) -> None:
    """Stop the process, or close its input."""
    if end == "stops it":
        process.send_signal(signal.SIGTERM)
    elif process.stdin is not None:
        await process.stdin.aclose()


async def _written(env: Mapping[str, str], end: str) -> bytes:
    """Start a process, have it ask, end it, and return what it wrote to standard error."""
    reading, writing = os.pipe()
    async with await anyio.open_process(COMMAND, env=env, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        assert process.stdin is not None
        assert process.stderr is not None
        await process.stdin.send(lines(ASKS, READY, STOP))
        with os.fdopen(reading, "rb") as stdout, anyio.fail_after(PATIENCE_SECONDS):
            while json.loads(await anyio.to_thread.run_sync(stdout.readline)).get("method") != "elicitation/create":
                pass
            if end != "dies":
                await _end(process, end)
                await process.wait()
        await process.stdin.aclose()
        with anyio.fail_after(PATIENCE_SECONDS):
            written = b"".join([part async for part in process.stderr])
            assert await process.wait() == 0, written
    return written


@pytest.mark.requirement("mcp-quiet-end")
@pytest.mark.parametrize(
    ("end", "state"),
    [("closes", State.CANCELLED), ("dies", State.CANCELLED), ("stops it", State.HELD)],
    ids=lambda value: str(value).replace(" ", "_"),
)
async def test_a_process_ends_quietly_while_its_question_is_open(
    provider: SimulatorHandle, tmp_path: Path, end: str, state: State
) -> None:
    """Exit 0 without a fault; the change is given back where its asker has gone, and stays for the next process."""
    values = {
        "WAYSCLOUD_API_KEY": "wayscloud_vps_test1_SECRET",
        "WAYSCLOUD_API_URL": provider.url,
        "VPSOPS_DATABASE_URL": migrated(tmp_path / "vpsops.sqlite3"),
    }
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "VPSOPS_ACTOR": "slack:U0ANN12345", **values}
    written = await _written(env, end)
    assert b"fault" not in written
    assert b"Traceback" not in written
    settings = Settings.model_validate(values)
    async with open_core(settings, front="mcp", clock=VirtualClock(), accounts=EVERYBODY) as core:
        assert [change.state for change in await core.changes.list(scope=OPERATOR)] == [state]
    assert dict(provider.simulator.world.counts) == {}
