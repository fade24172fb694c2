"""Our own commands as real processes on loopback sockets, and the settings they share."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from vpsops.playground.slack.people.model import SimulatedWorkspace

KEY = "wayscloud_vps_demo1_NOT-A-REAL-SECRET"
START_SECONDS = 60.0
STOP_SECONDS = 5.0


class StageError(Exception):
    """A process of the story did not start, or something did not happen in time."""


def environment_of(folder: Path, workspace: SimulatedWorkspace, provider: str, policy: str) -> dict[str, str]:
    """Return the settings of every process on the stage, after writing the policy to the folder."""
    config = folder / "vpsops.toml"
    config.write_text(policy, encoding="utf-8")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
    return kept | {
        "XDG_STATE_HOME": str(folder),
        "WAYSCLOUD_API_URL": provider,
        "WAYSCLOUD_API_KEY": KEY,
        "SLACK_API_URL": workspace.api_url,
        "SLACK_BOT_TOKEN": workspace.config.bot_token,
        "SLACK_SIGNING_SECRET": workspace.config.signing_secret,
        "VPSOPS_DATABASE_URL": f"sqlite:///{folder / 'vpsops.sqlite3'}",
        "VPSOPS_CONFIG": str(config),
        "VPSOPS_CHANNEL": "C0OPS",
        "VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS",
        "VPSOPS_ACTOR": "slack:U0ALICE",
        "VPSOPS_LOG_LEVEL": "warning",
        "PYTHONUNBUFFERED": "1",
    }


@dataclass(frozen=True, slots=True)
class Command:
    """A running subcommand, and the address it printed."""

    address: str
    process: Process

    async def ended(self) -> str:
        """Wait until it ends by itself; return the cause in words."""
        return f"ended with exit code {await self.process.wait()}"


@asynccontextmanager
async def running_command(
    name: str, words: list[str], environment: Mapping[str, str], folder: Path
) -> AsyncIterator[str]:
    """Run a subcommand; yields the address it prints in its first line."""
    async with watched_command(name, words, environment, folder) as command:
        yield command.address


@asynccontextmanager
async def watched_command(
    name: str, words: list[str], environment: Mapping[str, str], folder: Path
) -> AsyncIterator[Command]:
    """Run a subcommand that may end before its time; yields it once it has printed its address."""
    command = [sys.executable, "-m", "vpsops", *words]
    with (folder / f"{name}.log").open("w", encoding="utf-8") as errors:
        process = await anyio.open_process(command, stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=folder)
        try:
            yield Command(await _address(name, process, folder), process)
        finally:
            await _stop(process)


async def _address(name: str, process: Process, folder: Path) -> str:
    if process.stdout is None:
        raise StageError(f"{name} has no output")
    line = ""
    with anyio.move_on_after(START_SECONDS):
        async for text in TextReceiveStream(process.stdout):
            line += text
            if "\n" in line:
                return line.split("\n", 1)[0].removeprefix(f"{name}: ").strip()
    log = (folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
    raise StageError(f"{name} did not start: {log[-2000:]}")


async def _stop(process: Process) -> None:
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            with anyio.move_on_after(STOP_SECONDS):
                await process.wait()
        if process.returncode is None:
            process.kill()
        await process.aclose()
