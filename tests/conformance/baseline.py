"""Tools of the suite that become tasks: kept in this process, served by the production server's own extension."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import mcp.types as t
from mcp.server.context import HandlerResult
from mcp.server.mcpserver import require_client_extension

from tests.conformance.elicitation_client import NAME, form
from tests.conformance.plain_client import CLOCK, Fixture, Json, Run, fixture, text_result
from vpsops.mcp_server.protocol.sdk_compat import Context
from vpsops.mcp_server.protocol.tasks import EXTENSION, McpTask, McpTaskStatus, TaskStore, takes_tasks, task_result

POLL_MS: Final = 100
CONFIRM: Final = form("Delete it?", {"confirm": {"type": "boolean"}}, ["confirm"])
BROKEN: Final[Json] = {"error": {"code": t.INTERNAL_ERROR, "message": "It broke, on purpose."}}


@dataclass
class Baseline:
    """A task that is over when its time has come and its questions are answered."""

    began: datetime
    seconds: float
    payload: Json
    asks: Json = field(default_factory=dict)
    status: McpTaskStatus = McpTaskStatus.WORKING


@dataclass(frozen=True, slots=True)
class BaselineTasks:
    """The suite's tasks, and behind them those of the server."""

    server: TaskStore
    kept: dict[str, Baseline] = field(default_factory=dict)

    def start(self, task: Baseline) -> dict[str, Any]:
        """Keep a task and return the answer to the call that became it."""
        ident = f"fixture_{secrets.token_hex(8)}"
        self.kept[ident] = task
        return task_result(McpTask(ident, McpTaskStatus.WORKING, "Working.", task.began, task.began, POLL_MS))

    async def admit(self, context: Context, method: str) -> None:
        """Count a request as the server does."""
        await self.server.admit(context, method)

    async def find(self, context: Context, task_id: str) -> McpTask | None:
        """Return a task as it is now."""
        task = self.kept.get(task_id)
        if task is None:
            return await self.server.find(context, task_id)
        status, now = _status(task), CLOCK.now()
        payload: Json = {"inputRequests": task.asks} if status is McpTaskStatus.INPUT_REQUIRED else {}
        if status in {McpTaskStatus.COMPLETED, McpTaskStatus.FAILED}:
            payload = task.payload
        return McpTask(task_id, status, status.value, task.began, now, POLL_MS, payload)

    async def update(self, context: Context, task_id: str, answers: Mapping[str, Any]) -> bool:
        """Take answers."""
        task = self.kept.get(task_id)
        if task is None:
            return await self.server.update(context, task_id, answers)
        task.asks = {key: asked for key, asked in task.asks.items() if key not in answers}
        return True

    async def cancel(self, context: Context, task_id: str) -> bool:
        """Give a task up unless it is over."""
        task = self.kept.get(task_id)
        if task is None:
            return await self.server.cancel(context, task_id)
        if _status(task) in {McpTaskStatus.WORKING, McpTaskStatus.INPUT_REQUIRED}:
            task.status = McpTaskStatus.CANCELLED
        return True


def _status(task: Baseline) -> McpTaskStatus:
    if task.status is not McpTaskStatus.WORKING:
        return task.status
    if task.asks:
        return McpTaskStatus.INPUT_REQUIRED
    if (CLOCK.now() - task.began).total_seconds() < task.seconds:
        return McpTaskStatus.WORKING
    return McpTaskStatus.FAILED if "error" in task.payload else McpTaskStatus.COMPLETED


def kept_tools(tasks: BaselineTasks) -> tuple[Fixture, ...]:
    """Return the tools that become tasks of these."""
    asks_once = {"confirm-1": _wire(CONFIRM)}
    asks_twice = {"first": _wire(NAME), "second": _wire(NAME)}
    return (
        fixture("slow_compute", _slow(tasks), seconds={"type": "number"}, label={"type": "string"}),
        fixture("failing_job", _becomes(tasks, _over("It did not work.", failed=True))),
        fixture("protocol_error_job", _becomes(tasks, BROKEN)),
        fixture("confirm_delete", _becomes(tasks, _over("Deleted."), asks_once), filename={"type": "string"}),
        fixture("multi_input", _becomes(tasks, _over("Both are there."), asks_twice)),
        fixture("test_tool_with_task", _asks_first(tasks)),
    )


def _becomes(tasks: BaselineTasks, payload: Json, asks: Json | None = None) -> Run:
    async def run(context: Context, params: t.CallToolRequestParams) -> HandlerResult:
        del params
        require_client_extension(context, EXTENSION)
        return tasks.start(Baseline(CLOCK.now(), 0.2, payload, dict(asks or {})))

    return run


def _slow(tasks: BaselineTasks) -> Run:
    async def run(context: Context, params: t.CallToolRequestParams) -> HandlerResult:
        seconds = float((params.arguments or {}).get("seconds", 0))
        if takes_tasks(context) and seconds:
            return tasks.start(Baseline(CLOCK.now(), seconds, _over("Computed.")))
        await CLOCK.sleep(seconds)
        return text_result("Computed.")

    return run


def _asks_first(tasks: BaselineTasks) -> Run:
    async def run(context: Context, params: t.CallToolRequestParams) -> HandlerResult:
        require_client_extension(context, EXTENSION)
        user_name = (params.input_responses or {}).get("user_name")
        if not isinstance(user_name, t.ElicitResult):
            return t.InputRequiredResult(input_requests={"user_name": NAME}, request_state="asked")
        return tasks.start(Baseline(CLOCK.now(), 0.2, _over(f"Hello, {json.dumps(user_name.content)}")))

    return run


def _over(text: str, *, failed: bool = False) -> Json:
    return {"result": _wire(text_result(text, failed=failed))}


def _wire(model: t.Result | t.ElicitRequest) -> Json:
    wire: Json = model.model_dump(by_alias=True, mode="json", exclude_none=True)
    return wire
