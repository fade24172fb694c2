"""`vpsops bot` as a process: what it needs, where it listens, how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest

from tests.fakes.slack_bot import BotHarness, Scene, stage
from tests.harness.patience import PATIENCE_SECONDS
from vpsops import bot

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
BOT = (sys.executable, "-m", "vpsops", "bot")
BOUND = PATIENCE_SECONDS


def environ(world: BotHarness | None, **other: str) -> dict[str, str]:
    """Return a process's environment."""
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(bot.__file__).resolve().parent.parent)}
    if world is not None:
        config = world.slack.config
        variables |= {
            "WAYSCLOUD_API_KEY": "wayscloud_vps_abc1234567_0123456789abcdef0123",
            "WAYSCLOUD_API_URL": world.provider.url,
            "SLACK_API_URL": world.slack.api_url,
            "SLACK_BOT_TOKEN": config.bot_token,
            "SLACK_SIGNING_SECRET": config.signing_secret,
            "VPSOPS_DATABASE_URL": f"sqlite:///{world.directory / 'process.sqlite3'}",
        }
    return variables | other


def finished(env: Mapping[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    """Run the bot to its end."""
    command = [*BOT, *args]
    return subprocess.run(command, env=dict(env), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


@pytest.mark.parametrize(
    ("env", "args", "words"),
    [
        ({}, (), "SLACK_BOT_TOKEN and SLACK_SIGNING_SECRET"),
        ({"SLACK_BOT_TOKEN": "xoxb-1"}, (), "needs SLACK_SIGNING_SECRET"),
        ({"SLACK_APP_TOKEN": "xapp-1"}, (), "needs SLACK_BOT_TOKEN"),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s"}, ("--http", "here"), "not HOST:PORT"),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s"}, ("--http", "127.0.0.1:99999"), "not HOST:PORT"),
    ],
)
def test_what_is_missing_is_named(env: dict[str, str], args: tuple[str, ...], words: str) -> None:
    """A wrong set-up ends with 2 and names the variable or option."""
    ended = finished(environ(None, **env), *args)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert ended.stdout == ""


async def test_a_token_slack_does_not_know_ends_the_start(tmp_path: Path) -> None:
    """Not signed in is exit code 3, and the token is not in the message."""
    async with stage(tmp_path) as world:
        env = environ(world, SLACK_BOT_TOKEN="xoxb-hunter2-hunter2")
        ended = await anyio.to_thread.run_sync(lambda: finished(env, "--http", "127.0.0.1:0"))
        assert ended.returncode == 3
        assert "SLACK_BOT_TOKEN" in ended.stderr
        assert "hunter2" not in ended.stderr


async def test_it_prints_where_it_listens_works_and_ends_on_sigterm(tmp_path: Path) -> None:
    """The first line names the address; a command is answered; SIGTERM ends it with 0; only logs are on stderr."""
    async with stage(tmp_path) as world:
        command = [*BOT, "--http", "127.0.0.1:0"]
        async with await anyio.open_process(command, env=environ(world)) as process:
            assert process.stdout is not None
            with anyio.fail_after(BOUND):
                line = (await process.stdout.receive()).decode().splitlines()[0]
            assert line.startswith("bot: http://127.0.0.1:")
            address = line.removeprefix("bot: ")
            world.slack.connect_http(address)
            async with httpx.AsyncClient() as client:
                health = await client.get(address.replace("/slack/events", "/healthz"))
            assert health.json() == {"ok": True}
            await world.slack.command("alice", "ops", "/vps", "list")
            await world.private("alice", "2 servers")
            process.send_signal(signal.SIGTERM)
            with anyio.fail_after(BOUND):
                assert await process.wait() == 0


async def test_it_connects_by_socket_mode_and_ends_on_sigint(tmp_path: Path) -> None:
    """With an app token it needs no address and no signing secret."""
    async with stage(tmp_path, Scene("socket")) as world:
        env = environ(world, SLACK_APP_TOKEN=world.slack.config.app_token)
        del env["SLACK_SIGNING_SECRET"]
        async with await anyio.open_process(BOT, env=env) as process:
            with anyio.fail_after(BOUND):
                await world.slack.socket.connected()
            await world.slack.command("alice", "ops", "/vps", "list")
            await world.private("alice", "2 servers")
            process.send_signal(signal.SIGINT)
            with anyio.fail_after(BOUND):
                assert await process.wait() == 0
