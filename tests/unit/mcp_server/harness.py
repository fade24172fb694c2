"""A core on the simulated provider, the server over it, and a client with a scripted human."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import mcp.types as t
from mcp import Client
from mcp.client import ClientRequestContext

from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.app import Core
from vpsops.core.config.local_identity import human_of
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.mcp_server.server import ServerOptions, build_server

TRANSPORT = "TEST_MCP_TRANSPORT"
KEY = "wayscloud_vps_test1_SECRET"
ERAS = ("legacy", "2026-07-28")
WEB = "web01.example.com"
ORDERS: Mapping[str, Mapping[str, str]] = {
    "seed": {"plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"},
    "terraform": {"plan": "NO-Start-Linux-2cpu-4096mb-30gb", "region": "oslo", "os_template": "ubuntu-24.04"},
    "sdk": {"plan": "NO-Start-Linux-2cpu-4096mb-30gb", "region": "NO", "os_template": "ubuntu-24.04"},
}
YES = t.ElicitResult(action="accept", content={"confirm": True})
NO = t.ElicitResult(action="accept", content={"confirm": False})
ANN = "ann@example.com"
ALICE = Actor(ActorKind.PERSON, "U1", "alice", "U1")


@dataclass
class Human:
    """The client's human: answers each question with `answer` and remembers it."""

    answer: t.ElicitResult = field(default_factory=lambda: YES)
    questions: list[str] = field(default_factory=list)
    schemas: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, context: ClientRequestContext, params: t.ElicitRequestParams) -> t.ElicitResult:
        del context
        assert isinstance(params, t.ElicitRequestFormParams)
        self.questions.append(params.message)
        self.schemas.append(params.requested_schema)
        return self.answer


@asynccontextmanager
async def client_of(
    core: Core, era: str, human: Human | None = None, options: ServerOptions | None = None
) -> AsyncIterator[Client]:
    """Connect a client in this process; without a human it declares no elicitation."""
    chosen = options or ServerOptions(human=ANN)
    async with _reach(core, chosen) as transport:
        info = t.Implementation(name="test-client", version="1")
        async with Client(
            transport, mode=era, client_info=info, elicitation_callback=human, read_timeout_seconds=PATIENCE_SECONDS
        ) as client:
            yield client


@asynccontextmanager
async def _reach(core: Core, options: ServerOptions) -> AsyncIterator[Any]:
    """Yield what a client connects to: the server object, or a service on a socket where the tests run through one."""
    if os.environ.get(TRANSPORT) != "socket":
        yield build_server(core, options)
        return
    from tests.unit.mcp_server.unix_socket import harness  # noqa: PLC0415 - it imports this module

    kernel, own = harness.Kernel(harness.SERVICE_UID), options.human or human_of(core.settings)
    async with harness.serving_socket(core, kernel, options=options, own_human=own) as (path, _):
        yield harness.transport(path)


def text(result: t.CallToolResult) -> str:
    """Return a result's one text, which comes first; a link may follow it."""
    block, *rest = result.content
    assert isinstance(block, t.TextContent)
    assert all(isinstance(item, t.ResourceLink) for item in rest)
    return block.text
