"""The processes of the stories on loopback sockets: simulators, the real bot, the real MCP server."""

import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from mcp import Client, StdioServerParameters
from mcp import types as t
from mcp.client import ClientRequestContext
from mcp.client.stdio import stdio_client

from vpsops.playground.policy import AGENT_RULES, PEOPLE_RULES
from vpsops.playground.processes import environment_of, running_command
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.stories.cards import question_lines
from vpsops.playground.stories.transcript import StoryTranscript, timed_part

AGENT = t.Implementation(name="demo-agent", version="1")
POLICY = PEOPLE_RULES + AGENT_RULES
SIMULATOR = ["simulator", "--port", "0", "--speed", "60", "--seed", "3"]
LOG_SHOWN = 4000
ASKED = "the agent's human is asked, and says yes"


@dataclass(frozen=True, slots=True)
class DemoProcesses:
    """Everything that a story plays on."""

    workspace: SimulatedWorkspace
    provider: str
    environment: Mapping[str, str]
    log: Path
    transcript: StoryTranscript

    @asynccontextmanager
    async def agent(self, brief: bool = False) -> AsyncIterator[Client]:
        """Start the real MCP server on stdio, with a client whose human says yes when asked; `brief` shows no box."""

        async def answer(context: ClientRequestContext, params: t.ElicitRequestParams) -> t.ElicitResult:
            del context
            if brief:
                self.transcript.remark(ASKED)
            else:
                self.transcript.box(ASKED, question_lines(params.message))
            return t.ElicitResult(action="accept", content={"confirm": True})

        server = StdioServerParameters(
            command=sys.executable, args=["-m", "vpsops", "mcp"], env=dict(self.environment), cwd=self.log.parent
        )
        with self.log.open("a", encoding="utf-8") as errors:
            async with Client(
                stdio_client(server, errlog=errors), elicitation_callback=answer, client_info=AGENT
            ) as client:
                yield client

    async def effects(self, operation: str, hostname: str) -> int:
        """Return how often the provider carried out an operation on a server."""
        body = await self._read("effects", operation=operation)
        return sum(effect["hostname"] == hostname for effect in body["effects"])

    async def requests(self) -> list[dict[str, Any]]:
        """Return the requests that the provider received, oldest first."""
        return list((await self._read("requests"))["requests"])

    async def _read(self, what: str, **params: str) -> Any:
        async with httpx.AsyncClient(base_url=self.provider, trust_env=False) as http:
            return (await http.get(f"/_sim/{what}", params=params)).json()

    async def add_fault(self, **fault: Any) -> None:
        """Let something go wrong at the provider."""
        async with httpx.AsyncClient(base_url=self.provider, trust_env=False) as http:
            (await http.post("/_sim/faults", json=fault)).raise_for_status()


@asynccontextmanager
async def demo_processes(transcript: StoryTranscript) -> AsyncIterator[DemoProcesses]:
    """Start the simulated provider, the simulated workspace and the real bot; end them all in the end."""
    with tempfile.TemporaryDirectory(prefix="vpsops-demo-") as name:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            transcript.part("Starting: ")
            with timed_part(transcript, "simulated provider"):
                command = running_command("simulator", SIMULATOR, dict(os.environ), folder)
                provider = await stack.enter_async_context(command)
            with timed_part(transcript, "simulated Slack"):
                workspace = await stack.enter_async_context(running_workspace())
            with timed_part(transcript, "the real bot"):
                environment = environment_of(folder, workspace, provider, POLICY)
                command = running_command("bot", ["bot", "--http", "127.0.0.1:0"], environment, folder)
                workspace.connect_http(await stack.enter_async_context(command))
            transcript.line()
            try:
                yield DemoProcesses(workspace, provider, environment, folder / "mcp.log", transcript)
            except BaseException:
                _print_logs(folder, transcript)
                raise


def _print_logs(folder: Path, transcript: StoryTranscript) -> None:
    for path in sorted(folder.glob("*.log")):
        text = path.read_text(encoding="utf-8", errors="replace")[-LOG_SHOWN:].strip()
        if text:
            transcript.part(f"\n--- {path.name}\n{text}\n")
