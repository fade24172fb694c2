"""Processes with policies of their own on one database: the policy in force decides, whatever each was started with."""

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import mcp.types as t
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client, StdioServerParameters
from mcp.client import ClientRequestContext

from tests.harness.patience import PATIENCE_SECONDS, eventually
from tests.harness.virtual_time import VirtualClock
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
KEY = "wayscloud_vps_test1_SECRET"
COMMAND = (sys.executable, "-m", "vpsops")
TEAM = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "people"
actor = "person"
risk = ["change", "disruptive"]
decision = "confirm"

[limits]
protected = "db01"
"""
OWN = '[[rule]]\nid = "all"\nrisk = ["read", "change", "disruptive"]\ndecision = "allow"\n'


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as handle:
        yield handle


@pytest.fixture
def environment(provider: SimulatorHandle, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path),
        "VPSOPS_ACTOR": "slack:U1",
        "WAYSCLOUD_API_KEY": KEY,
        "WAYSCLOUD_API_URL": provider.url,
    }


async def command(environment: Mapping[str, str], *words: str) -> tuple[int, str]:
    """Run a command to its end; return its exit code and all its output."""
    done = await anyio.run_process([*COMMAND, *words], env=dict(environment), check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


async def yes(_context: ClientRequestContext, _params: t.ElicitRequestParams) -> t.ElicitResult:
    """Answer every question with a yes, as a client may do by itself."""
    return t.ElicitResult(action="accept", content={"confirm": True})


async def reboot(client: Client, server: str) -> str:
    """Reboot a server by the tool, and return the tool's result."""
    result = await client.call_tool("vps_reboot", {"server": server})
    first: Any = result.content[0]
    return str(first.text)


@pytest.mark.requirement("policy-one-for-all")
async def test_an_assistant_without_the_teams_file_runs_under_the_teams_policy(
    provider: SimulatorHandle, environment: dict[str, str], tmp_path: Path
) -> None:
    """It denies agents and protects a server; `vpsops mcp` was started without it, then with another policy."""
    team, own = tmp_path / "team.toml", tmp_path / "own.toml"
    team.write_text(TEAM)
    own.write_text(OWN)
    with_team = {**environment, "VPSOPS_CONFIG": str(team)}
    async with await anyio.open_process([*COMMAND, "worker"], env=with_team, stderr=subprocess.DEVNULL) as worker:
        assert worker.stdout is not None
        with anyio.fail_after(PATIENCE_SECONDS):
            assert await BufferedByteReceiveStream(worker.stdout).receive_until(b"\n", 100) == b"worker: running"
        for config in ({}, {"VPSOPS_CONFIG": str(own)}):
            parameters = StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], "mcp"], env=environment | config)
            async with Client(
                parameters,
                elicitation_callback=yes,  # type: ignore[arg-type]
                read_timeout_seconds=PATIENCE_SECONDS,
            ) as client:
                assert not (await client.call_tool("vps_list", {})).is_error
                for server in ("web01", "db01"):
                    answer = await reboot(client, server)
                    assert ("started with another policy" in answer) == bool(config), answer
                if config:
                    code, output = await command(with_team, "doctor")
                    assert code == 1
                    assert "was started with another policy (pol_" in output
                    assert str(own) in output
        assert list(provider.simulator.world.counted("reboot")) == []
        worker.terminate()
        with anyio.fail_after(PATIENCE_SECONDS):
            await worker.wait()


@pytest.mark.requirement("policy-differs-refused")
async def test_a_policy_that_is_applied_reaches_a_running_process(
    provider: SimulatorHandle, environment: dict[str, str], tmp_path: Path
) -> None:
    """Restarted after the edit it is refused with the command; once that ran, the same process serves."""
    config = tmp_path / "vpsops.toml"
    config.write_text(TEAM)
    environment["VPSOPS_CONFIG"] = str(config)
    code, _ = await command(environment, "policy", "apply", "--yes")
    assert code == 0
    config.write_text(OWN)
    parameters = StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], "mcp"], env=environment)
    async with Client(parameters, read_timeout_seconds=PATIENCE_SECONDS) as client:
        answer = await reboot(client, "web01")
        assert f"vpsops policy apply {config}" in answer
        code, output = await command(environment, "policy", "apply", "--yes", str(config))
        assert code == 0
        assert "Milder, so more is let through:" in output
        assert "started with another policy" not in await reboot(client, "web01")
    await eventually(lambda: list(provider.simulator.world.counted("reboot")))
