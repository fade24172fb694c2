"""A real Prometheus scrapes a real process, and one trace follows a change through two processes."""

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from tests.e2e.processes.test_serve import SERVE, WORKSPACE, environ, running
from tests.fakes.network.otlp import OtlpReceiver, ReceivedSpan, running_receiver
from tests.fakes.slack_bot import BotHarness, Scene, stage
from tests.harness.patience import eventually
from tests.packaging.programs import needs_program
from vpsops.playground.wayscloud.faults.config import SimulatorConfig

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
BOT = (sys.executable, "-m", "vpsops", "bot", "--http", "127.0.0.1:0")
WORKER = (sys.executable, "-m", "vpsops", "worker")
POLICY = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "changes"
risk = ["change", "disruptive", "destructive"]
decision = "approve"
approvers = { people = ["U0BOB"] }
"""


def free_port() -> int:
    """Return a port that is free now."""
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@asynccontextmanager
async def prometheus(folder: Path, target: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run a Prometheus that scrapes a target each second; yield a client of its API."""
    job = f"  - job_name: vpsops\n    static_configs:\n      - targets: ['{target}']\n"
    config = f"global: {{scrape_interval: 1s}}\nscrape_configs:\n{job}"
    (folder / "prometheus.yml").write_text(config, encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    options = ("--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address={address}")
    command = ("prometheus", *options)
    async with await anyio.open_process(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as own:
        try:
            async with httpx.AsyncClient(base_url=f"http://{address}/api/v1") as client:
                yield client
        finally:
            own.terminate()


@pytest.mark.requirement("metrics-scrape")
@needs_program("prometheus", "prometheus")
async def test_prometheus_scrapes_a_process(tmp_path: Path) -> None:
    """At its own address; what a command causes is counted in the series that it says."""
    port = free_port()
    async with stage(tmp_path, Scene("http", WORKSPACE)) as world:
        env = environ(world, VPSOPS_METRICS=f"127.0.0.1:{port}")
        async with running(SERVE, env, lines=2) as (_, bot), prometheus(tmp_path, f"127.0.0.1:{port}") as client:
            world.slack.connect_http(bot.removeprefix("bot: ").strip())
            await world.slack.command("alice", "ops", "/vps", "list")
            await world.private("alice", "2 servers")

            async def value_of(query: str) -> str:
                try:
                    answer = await client.get("/query", params={"query": query})
                except httpx.TransportError:  # it starts
                    return ""
                series = answer.json()["data"]["result"] if answer.status_code == 200 else []
                return str(series[0]["value"][1]) if series else ""

            for query in (
                'up{job="vpsops"} == 1',
                'vpsops_provider_requests_total{route="list_servers",status="2xx"} > 0',
                'vpsops_slack_acknowledgement_seconds_count{transport="http"} > 0',
                'vpsops_queue_depth{queue="inbox"}',
                'vpsops_processes{front="slack"} == 1',
            ):
                assert await eventually(lambda query=query: value_of(query)), query  # type: ignore[misc]


def of_trace(receiver: OtlpReceiver, trace: str) -> list[ReceivedSpan]:
    """Return the spans of a trace."""
    return [span for span in list(receiver.spans) if span.trace == trace]


def traced(env: Mapping[str, str], receiver: OtlpReceiver, process: str) -> dict[str, str]:
    """Return an environment with traces, and the name of the process in them."""
    return {
        **env,
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_RESOURCE_ATTRIBUTES": f"service.instance.id={process}",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "VPSOPS_LOG_FORMAT": "json",
    }


async def ask_and_approve(world: BotHarness) -> None:
    """Have alice ask for a reboot, and bob approve it by a click; return once it was sent."""
    await world.slack.command("alice", "ops", "/vps", "reboot web01 because it hangs")
    card = await world.card("approvals", words="waiting for approval")
    await world.slack.click("bob", card, "vps:approve")
    await eventually(lambda: world.effects("reboot") == 1)


@pytest.mark.requirement("one-trace")
async def test_one_trace_follows_a_reboot_through_two_processes(tmp_path: Path) -> None:
    """Asked in Slack, approved by a click, sent by the bot, which ends then, and settled by the worker."""
    (tmp_path / "vpsops.toml").write_text(POLICY, encoding="utf-8")
    scene = Scene("http", WORKSPACE, SimulatorConfig(speed=5))
    with running_receiver() as receiver:
        async with stage(tmp_path, scene) as world:
            env = environ(world, VPSOPS_CONFIG=str(tmp_path / "vpsops.toml"))
            async with running(BOT, traced(env, receiver, "bot")) as (address,):
                world.slack.connect_http(address.removeprefix("bot: ").strip())
                await ask_and_approve(world)
            async with running(WORKER, traced(env, receiver, "worker")):
                await eventually(lambda: bool(receiver.named("change watching")))
    settled = receiver.named("change watching")[0]
    spans = of_trace(receiver, settled.trace)
    by_process = {process: {span.name for span in spans if span.process == process} for process in ("bot", "worker")}
    assert {"slack command", "change request", "change held", "change approved", "change run"} <= by_process["bot"]
    assert {"POST /v1/vps/{id}/reboot", "message card", "slack chat.postMessage", "COMMIT"} <= by_process["bot"]
    assert settled.process == "worker"
    assert settled.attributes["vpsops.change.state"] == "succeeded"
    ids = {span.id for span in spans}
    assert [span.name for span in spans if span.parent not in ids] == ["slack command"]
    click = receiver.named("slack click")[0]
    held = receiver.named("change held")[0]
    assert click.trace != settled.trace
    assert held.links == (click.trace,)
    assert not [span for span in spans if "hangs" in repr(span)]
