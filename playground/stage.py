"""The stage of the story: real processes on loopback sockets, and a transcript of what they say."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream
from mcp import Client, StdioServerParameters
from mcp import types as t
from mcp.client import ClientRequestContext
from mcp.client.stdio import stdio_client

from playground.slack.entities import Message
from playground.slack.render import transcript
from playground.slack.serve import running_workspace
from playground.slack.workspace import Workspace

KEY = "wayscloud_vps_demo1_NOT-A-REAL-SECRET"
START_SECONDS = 20.0
STOP_SECONDS = 5.0
AGENT = t.Implementation(name="demo-agent", version="1")
POLICY = """
[[rule]]
id = "everyone-reads"
risk = "read"
decision = "allow"

[[rule]]
id = "people-confirm"
actor = "person"
risk = ["change", "disruptive"]
decision = "confirm"

[[rule]]
id = "agents-confirm-create"
actor = "agent"
operation = ["create", "start"]
decision = "confirm"

[[rule]]
id = "agents-need-approval"
actor = "agent"
risk = "disruptive"
decision = "approve"
approvers = { groups = ["S0APPROVERS"] }
reason = "An agent asks to interrupt a server: a person decides."
"""


class StageError(Exception):
    """A process of the story did not start, or something did not happen in time."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything the story plays on."""

    workspace: Workspace
    environment: Mapping[str, str]
    log: Path

    def say(self, text: str = "") -> None:
        """Print a line of the transcript."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def show(self, messages: list[Message], indent: str = "    ") -> None:
        """Print messages as people would read them."""
        for line in transcript(messages, self.workspace.desk.state):
            self.say(indent + line)

    @asynccontextmanager
    async def agent(self, confirm: bool) -> AsyncIterator[Client]:
        """Start the real MCP server on stdio, with a client whose human answers `confirm` when asked."""

        async def asked(context: ClientRequestContext, params: t.ElicitRequestParams) -> t.ElicitResult:
            del context
            self.say("    the client asks its human:")
            for line in params.message.splitlines():
                self.say(f"      | {line}")
            self.say(f"    the human {'ticks confirm' if confirm else 'declines'}")
            return t.ElicitResult(action="accept", content={"confirm": confirm})

        server = StdioServerParameters(
            command=sys.executable, args=["-m", "vpsops", "mcp"], env=dict(self.environment), cwd=self.log.parent
        )
        with self.log.open("a", encoding="utf-8") as errors:
            async with Client(
                stdio_client(server, errlog=errors), elicitation_callback=asked, client_info=AGENT
            ) as client:
                yield client


@asynccontextmanager
async def set_stage() -> AsyncIterator[Stage]:
    """Start the simulated provider, the simulated workspace and the real bot; end them all in the end."""
    with tempfile.TemporaryDirectory(prefix="vpsops-demo-") as name:
        folder = Path(name)
        async with running_workspace() as workspace, _simulator(folder) as provider:
            environment = _environment(folder, workspace, provider)
            async with _process("bot", ["bot", "--http", "127.0.0.1:0"], environment, folder) as address:
                workspace.connect_http(address)
                try:
                    yield Stage(workspace, environment, folder / "mcp.log")
                except BaseException:
                    _print_logs(folder)
                    raise


def _print_logs(folder: Path) -> None:
    for path in sorted(folder.glob("*.log")):
        text = path.read_text(encoding="utf-8", errors="replace")[-4000:].strip()
        if text:
            sys.stdout.write(f"\n--- {path.name}\n{text}\n")


def _environment(folder: Path, workspace: Workspace, provider: str) -> dict[str, str]:
    config = folder / "vpsops.toml"
    config.write_text(POLICY, encoding="utf-8")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
    return kept | {
        "WAYSCLOUD_API_URL": provider,
        "WAYSCLOUD_API_KEY": KEY,
        "SLACK_API_URL": workspace.api_url,
        "SLACK_BOT_TOKEN": workspace.config.bot_token,
        "SLACK_SIGNING_SECRET": workspace.config.signing_secret,
        "VPSOPS_DATABASE_URL": f"sqlite:///{folder / 'vpsops.sqlite3'}",
        "VPSOPS_CONFIG": str(config),
        "VPSOPS_CHANNEL": "C0OPS",
        "VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS",
        "VPSOPS_ACTOR": "U0ALICE",
        "VPSOPS_LOG_LEVEL": "warning",
        "PYTHONUNBUFFERED": "1",
    }


@asynccontextmanager
async def _simulator(folder: Path) -> AsyncIterator[str]:
    words = ["simulator", "--port", "0", "--speed", "60", "--seed", "3"]
    async with _process("simulator", words, dict(os.environ), folder) as address:
        yield address


@asynccontextmanager
async def _process(name: str, words: list[str], environment: Mapping[str, str], folder: Path) -> AsyncIterator[str]:
    """Run a subcommand; yields the address it prints in its first line."""
    command = [sys.executable, "-m", "vpsops", *words]
    with (folder / f"{name}.log").open("w", encoding="utf-8") as errors:
        process = await anyio.open_process(command, stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=folder)
        try:
            yield await _address(name, process, folder)
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
