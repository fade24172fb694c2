"""The tasks extension of 2026-07-28, which the SDK does not have: its wire forms and the checks on each request.

A call that takes long is answered with a handle (`resultType: "task"`) where the client declared the
extension on that very request. The tasks and their status come from a `TaskStore`.
Source: the extension's specification of 2026-07-28, SEP-2663.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

import mcp.types as t
from mcp.server.extension import Extension, MethodBinding
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

from vpsops.core.common.errors import NotAllowedError, VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.mcp_server.protocol.sdk_compat import Context, install_extension, require_extension

EXTENSION: Final = "io.modelcontextprotocol/tasks"
VERSIONS: Final = frozenset(MODERN_PROTOCOL_VERSIONS)
LONGEST_ID: Final = 200
CHANGING: Final = frozenset({"tasks/update", "tasks/cancel"})
"""The methods that need more than reading."""


class McpTaskStatus(StrEnum):
    """The status of a task; `failed` is for protocol errors only: a failed change is completed with an error."""

    WORKING = "working"
    INPUT_REQUIRED = "input_required"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class McpTask:
    """A task as a client sees it; `payload` is `result`, `error` or `inputRequests`, as its status has it."""

    id: str
    status: McpTaskStatus
    message: str
    created_at: datetime
    updated_at: datetime
    poll_ms: int
    payload: Mapping[str, Json] = field(default_factory=dict)


class TaskStore(Protocol):
    """A store of tasks; tasks of other callers are reported as unknown."""

    async def admit(self, context: Context, method: str) -> None:
        """Count a request against the caller's rate. Raises `NotAllowedError` when it exceeds the limit."""

    async def find(self, context: Context, task_id: str) -> McpTask | None:
        """Return a task of this caller, or None."""

    async def update(self, context: Context, task_id: str, answers: Mapping[str, Json]) -> bool:
        """Take answers to a task's questions, ignoring others; return whether the task is known."""

    async def cancel(self, context: Context, task_id: str) -> bool:
        """Cancel a task as far as possible; return whether it is known."""


class TaskParams(t.RequestParams):
    """The task a request is about."""

    task_id: str = Field(max_length=LONGEST_ID)


class UpdateParams(TaskParams):
    """Answers to what a task asked, by its keys."""

    input_responses: dict[str, Json]


class TasksExtension(Extension):
    """The three methods, limited to the revisions that have them."""

    identifier = EXTENSION

    def __init__(self, tasks: TaskStore) -> None:
        self._tasks = tasks

    def methods(self) -> Sequence[MethodBinding]:
        """Return the methods this extension serves."""
        return (
            MethodBinding("tasks/get", TaskParams, self._get, VERSIONS),
            MethodBinding("tasks/update", UpdateParams, self._update, VERSIONS),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, VERSIONS),
        )

    async def _get(self, context: Context, params: TaskParams) -> dict[str, Json]:
        check_request(context, params.task_id)
        try:
            await self._tasks.admit(context, "tasks/get")
            task = await self._tasks.find(context, params.task_id)
        except VpsopsError as error:
            raise failed_task_error(error) from error
        if task is None:
            raise unknown_task_error()
        return task_details(task)

    async def _update(self, context: Context, params: UpdateParams) -> dict[str, Json]:
        check_request(context, params.task_id)
        try:
            await self._tasks.admit(context, "tasks/update")
            return _acknowledged(known=await self._tasks.update(context, params.task_id, params.input_responses))
        except VpsopsError as error:
            raise failed_task_error(error) from error

    async def _cancel(self, context: Context, params: TaskParams) -> dict[str, Json]:
        check_request(context, params.task_id)
        try:
            await self._tasks.admit(context, "tasks/cancel")
            return _acknowledged(known=await self._tasks.cancel(context, params.task_id))
        except VpsopsError as error:
            raise failed_task_error(error) from error


def serve_tasks(server: Server[Any], tasks: TaskStore) -> None:
    """Have a server offer the extension, over these tasks."""
    install_extension(server, TasksExtension(tasks))


def takes_tasks(context: Context) -> bool:
    """Return whether the client declared the extension on this request, in a revision that has it."""
    declared = context.session.client_capabilities
    extensions = declared.extensions if declared else None
    return context.protocol_version in VERSIONS and EXTENSION in (extensions or {})


def task_result(task: McpTask) -> dict[str, Json]:
    """Return the answer to a call that became a task; a client that did not declare the extension must not get it."""
    return {"resultType": "task", **_head(task)}


def task_details(task: McpTask) -> dict[str, Json]:
    """Return a task with what its status brings along."""
    return {**_head(task), **task.payload}


def check_request(context: Context, task_id: str) -> None:
    """Raise the protocol's errors for a header that names another task, and for a client without the extension."""
    headers = context.request.headers if context.request is not None else None
    if headers is not None and decode_header_value(headers.get(MCP_NAME_HEADER)) != task_id:
        raise MCPError(t.HEADER_MISMATCH, f"{MCP_NAME_HEADER} header does not match the request's taskId")
    require_extension(context, EXTENSION)


def unknown_task_error() -> MCPError:
    """Return the error for a task that does not exist or belongs to another caller."""
    return MCPError(t.INVALID_PARAMS, "Task not found")


def failed_task_error(error: VpsopsError) -> MCPError:
    """Return the error for a denied or currently unreadable task, with what to do and its id in the log."""
    code = t.INVALID_REQUEST if isinstance(error, NotAllowedError) else t.INTERNAL_ERROR
    return MCPError(code, f"{error} ({error.error_id})")


def _acknowledged(*, known: bool) -> dict[str, Json]:
    if not known:
        raise unknown_task_error()
    return {}


def _head(task: McpTask) -> dict[str, Json]:
    return {
        "taskId": task.id,
        "status": task.status.value,
        "statusMessage": task.message,
        "createdAt": _stamp(task.created_at),
        "lastUpdatedAt": _stamp(task.updated_at),
        "ttlMs": None,
        "pollIntervalMs": task.poll_ms,
    }


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
