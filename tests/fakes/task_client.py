"""The SDK's client with the tasks extension, which it does not have: it keeps the handle and polls on request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import mcp.types as t
from mcp import Client
from mcp.client import ClaimContext, ClientExtension, ResultClaim
from mcp.server.lowlevel import Server
from pydantic import ConfigDict

from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.mcp_server.harness import Human
from vpsops.core.common.clock import Clock
from vpsops.mcp_server.protocol.tasks import EXTENSION

ERA = "2026-07-28"


class Handle(t.Result):
    """A call's answer that is a task."""

    result_type: Literal["task"] = "task"
    task_id: str
    status: str
    status_message: str
    created_at: str
    last_updated_at: str
    ttl_ms: int | None
    poll_interval_ms: int


class TaskRequest(t.Request[dict[str, Any], str]):
    """A request about a task."""

    name_param = "taskId"


class TaskAnswer(t.Result):
    """Whatever came back."""

    model_config = ConfigDict(extra="allow")


async def _unresolved(handle: Handle, context: ClaimContext) -> t.CallToolResult:
    raise AssertionError(f"{context.tool_name} was to be called with `started`: {handle.task_id}")


class TakesTasks(ClientExtension):
    """Declares the extension on each request."""

    identifier = EXTENSION

    def claims(self) -> list[ResultClaim[Any]]:
        """Take handles."""
        return [ResultClaim(result_type="task", model=Handle, resolve=_unresolved)]


@asynccontextmanager
async def task_client(
    server: Server[Any], human: Human | None = None, name: str = "test-client"
) -> AsyncIterator[Client]:
    """Connect a client that takes tasks, in this process."""
    info = t.Implementation(name=name, version="1")
    async with Client(
        server,
        mode=ERA,
        client_info=info,
        elicitation_callback=human,
        read_timeout_seconds=PATIENCE_SECONDS,
        extensions=[TakesTasks()],
    ) as client:
        yield client


async def started(client: Client, tool: str, arguments: dict[str, Any], **more: Any) -> Handle:
    """Call a tool that becomes a task."""
    result = await client.session.call_tool(tool, arguments, allow_claimed=True, allow_input_required=True, **more)
    assert isinstance(result, Handle), result
    return result


async def ask(client: Client, method: str, task_id: str, **params: Any) -> dict[str, Any]:
    """Send a request about a task and return its result as it came."""
    request = TaskRequest(method=method, params={"taskId": task_id, **params})
    answer = await client.session.send_request(request, TaskAnswer)
    return answer.model_dump(by_alias=True, mode="json", exclude_none=True)


async def ended(client: Client, task_id: str, clock: Clock, within: float = 5.0) -> dict[str, Any]:
    """Poll until a task is at its end."""
    give_up = clock.monotonic() + within
    while (seen := await ask(client, "tasks/get", task_id))["status"] in {"working", "input_required"}:
        assert clock.monotonic() < give_up, seen
        await clock.sleep(seen["pollIntervalMs"] / 1000)
    return seen
