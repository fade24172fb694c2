"""SIGHUP to processes as they run: settings, secrets, the level of the log and the policy, without a restart."""

import json
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.processes.test_serve import MCP, SERVE, environ, scene
from tests.e2e.processes.test_shutdown import BOT, STDIO, Program, eventually, program
from tests.fakes.slack_bot import stage
from tests.unit.mcp_server.http_harness import ENVELOPE
from vpsops.core.common.json_types import Json

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
WORKER = (sys.executable, "-m", "vpsops", "worker")
COMMANDS = {"serve": SERVE, "bot": BOT, "worker": WORKER, "mcp": MCP, "stdio": STDIO}


def settings_file(path: Path, level: str = "info", rest: str = "") -> None:
    """Write a file of settings."""
    path.write_text(f'[settings]\nVPSOPS_LOG_LEVEL = "{level}"\n{rest}', encoding="utf-8")


async def hang_up(started: Program, event: str) -> None:
    """Send SIGHUP and wait for one more line of its consequence."""
    before = started.log_text.count(event)
    started.process.send_signal(signal.SIGHUP)
    await eventually(lambda: started.log_text.count(event) > before)


async def call(host: Program, number: int, tool: str) -> Json:
    """Call a tool over standard streams, and return the result."""
    params: dict[str, Json] = {"name": tool, "arguments": {}, "_meta": ENVELOPE}
    await host.send(id=number, method="tools/call", params=params)
    answer = json.loads(await host.line())
    assert answer["id"] == number
    result: Json = answer["result"]
    return result


async def ready(started: Program, kind: str) -> None:
    """Wait until a process serves."""
    if kind == "stdio":
        await call(started, 1, "vps_list")
    else:
        await started.line()


@pytest.mark.requirement("hang-up-ends-nothing")
@pytest.mark.requirement("reload-all-or-nothing")
@pytest.mark.parametrize("kind", COMMANDS)
async def test_every_process_reloads_and_refuses_a_wrong_file(tmp_path: Path, kind: str) -> None:
    """The level changes at once; a wrong file is said with its line; what needs a restart is named; a storm is few."""
    file = tmp_path / "vpsops.toml"
    settings_file(file)
    async with stage(tmp_path, scene("http")) as world:
        env = environ(world, VPSOPS_CONFIG=str(file), VPSOPS_LOG_FORMAT="json")
        async with program(COMMANDS[kind], env) as started:
            await ready(started, kind)
            settings_file(file, "debug", 'VPSOPS_HTTP_HOSTS = "elsewhere.example"\n')
            await hang_up(started, "config_reloaded")
            assert '"restart_needed": "VPSOPS_HTTP_HOSTS"' in started.log_text
            assert '"changed": "VPSOPS_LOG_LEVEL"' in started.log_text
            settings_file(file, "loud")
            await hang_up(started, "config_reload_refused")
            assert f"{file}:2: VPSOPS_LOG_LEVEL: must be debug or info" in started.log_text
            settings_file(file, "debug", 'VPSOPS_HTTP_HOSTS = "elsewhere.example"\n')
            before = started.log_text.count('"config_reloaded"')
            for _ in range(20):
                started.process.send_signal(signal.SIGHUP)
            await eventually(lambda: started.log_text.count('"config_reloaded"') > before)
            settings_file(file)
            await hang_up(started, "config_reloaded")
            assert started.log_text.count('"config_reloaded"') < before + 20
            assert started.process.returncode is None
            started.process.terminate()


@pytest.mark.requirement("reload-secrets")
async def test_a_rotated_key_is_sent_from_the_next_call_on(tmp_path: Path) -> None:
    """The provider is sent the new key alone from then on; the log holds neither."""
    key, old, new = tmp_path / "key", "wayscloud_vps_first-0123456789", "wayscloud_vps_other-0123456789"
    key.write_text(old)
    async with stage(tmp_path) as world:
        env = environ(world, VPSOPS_LOG_FORMAT="json", VPSOPS_LOG_LEVEL="debug", WAYSCLOUD_API_KEY="")
        journal = world.provider.simulator.journal
        async with program(STDIO, {**env, "WAYSCLOUD_API_KEY_FILE": str(key)}) as host:
            assert "web01" in json.dumps(await call(host, 1, "vps_list"))
            assert {known.secret for entry in journal.entries() for known in entry.keys} == {old}
            key.write_text(new)
            await hang_up(host, "config_reloaded")
            before = journal.total
            assert "web01" in json.dumps(await call(host, 2, "vps_list"))
            assert {known.secret for entry in journal.entries(since=before) for known in entry.keys} == {new}
            assert "0123456789" not in host.log_text
            host.process.terminate()
