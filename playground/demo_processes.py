"""The stage of the story: real processes on loopback sockets, and a transcript of their messages."""

import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mcp import Client, StdioServerParameters
from mcp import types as t
from mcp.client import ClientRequestContext
from mcp.client.stdio import stdio_client

from vpsops.playground.policy import AGENT_RULES, PEOPLE_RULES
from vpsops.playground.processes import environment_of, running_command
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.rendering.render import transcript
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.entities import Message

AGENT = t.Implementation(name="demo-agent", version="1")
POLICY = PEOPLE_RULES + AGENT_RULES


@dataclass(frozen=True, slots=True)
class DemoProcesses:
    """Everything the story plays on."""

    workspace: SimulatedWorkspace
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
        """Start the real MCP server on stdio, with a client that answers `confirm` for its human when asked."""

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
async def set_stage() -> AsyncIterator[DemoProcesses]:
    """Start the simulated provider, the simulated workspace and the real bot; end them all in the end."""
    with tempfile.TemporaryDirectory(prefix="vpsops-demo-") as name:
        folder = Path(name)
        async with running_workspace() as workspace, _simulator(folder) as provider:
            environment = environment_of(folder, workspace, provider, POLICY)
            async with running_command("bot", ["bot", "--http", "127.0.0.1:0"], environment, folder) as address:
                workspace.connect_http(address)
                try:
                    yield DemoProcesses(workspace, environment, folder / "mcp.log")
                except BaseException:
                    _print_logs(folder)
                    raise


def _print_logs(folder: Path) -> None:
    for path in sorted(folder.glob("*.log")):
        text = path.read_text(encoding="utf-8", errors="replace")[-4000:].strip()
        if text:
            sys.stdout.write(f"\n--- {path.name}\n{text}\n")


@asynccontextmanager
async def _simulator(folder: Path) -> AsyncIterator[str]:
    words = ["simulator", "--port", "0", "--speed", "60", "--seed", "3"]
    async with running_command("simulator", words, dict(os.environ), folder) as address:
        yield address
