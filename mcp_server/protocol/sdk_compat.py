"""The one place that touches the SDK's provisional parts, and one view of a tool call for both protocol eras.

New era (2026-07-28): a question is a result (`input_required`) and the client calls again with the answer and our
sealed state. Old era (the handshake): a question is pushed to the client while the call waits.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import mcp.types as t
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding, RequestHandler
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types.methods import is_input_required
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from vpsops.core.common import timings
from vpsops.core.common.json_types import Json
from vpsops.mcp_server.protocol.elicitation import UNABLE, ConfirmationForm, FormAnswer
from vpsops.mcp_server.protocol.text import sanitize

STATE_TTL: Final = timings.QUESTION_STATE_SECONDS
QUESTION = "confirm"
LONGEST_URI = 300
RESOURCE_NOT_FOUND = -32002  # until 2025-11-25; later revisions retired the code

Context = ServerRequestContext[Any, Any]


class ListServer(Server[Any]):
    """The SDK's server, which says in the handshake that the list of tools may become another."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        """Return the SDK's options, with that said unless others are given."""
        chosen = notification_options or NotificationOptions(tools_changed=True)
        return super().create_initialization_options(chosen, experimental_capabilities, extensions)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool, whichever era it came in, read once at its arrival.

    `arguments` are as sent. With `new_era` a question is answered by another call: `state` is what we gave with the
    question, verified by the seal and empty on a first call, and `answer` came with the second. `can_ask` says that the
    client declared forms and a question can reach it. `client_name` is empty where it sends none. `began` is on the
    core's monotonic clock.
    """

    context: Context
    tool: str
    arguments: Mapping[str, Json]
    state: str
    answer: FormAnswer | None
    client_name: str
    new_era: bool
    can_ask: bool
    began: float

    async def push(self, question: ConfirmationForm, *, seconds: float) -> FormAnswer | None:
        """Ask and wait (old era); None when the client cannot or will not answer, or on time-out."""
        try:
            return form_answer_from(
                await self.context.session.send_request(
                    form_request(question),
                    t.ElicitResult,
                    request_read_timeout_seconds=seconds,
                    metadata=ServerMessageMetadata(related_request_id=self.context.request_id),
                )
            )
        except MCPError as error:
            return FormAnswer(UNABLE, {}) if error.error.code == t.METHOD_NOT_FOUND else None
        except ValidationError:
            return None

    async def progress(self, now: float, text: str) -> None:
        """Report progress, in seconds since the call began; no-op unless the client requested it."""
        await self.context.session.report_progress(now - self.began, None, text)


def read_tool_call(context: Context, params: t.CallToolRequestParams, began: float) -> ToolCall:
    """Return a call of a tool as it came in."""
    answer = (params.input_responses or {}).get(QUESTION)
    return ToolCall(
        context=context,
        tool=params.name,
        arguments=params.arguments or {},
        state=params.request_state or "",
        answer=form_answer_from(answer) if isinstance(answer, t.ElicitResult) else None,
        client_name=client_name(context),
        new_era=is_new_era(context),
        can_ask=can_ask(context),
        began=began,
    )


def is_new_era(context: Context) -> bool:
    """Return whether a request came in the era without a handshake."""
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS


def can_ask(context: Context) -> bool:
    """Return whether the client declared forms and a question can reach it."""
    declared = context.session.client_capabilities
    forms = declared.elicitation if declared else None
    if forms is None or (forms.form is None and forms.url is not None):
        return False
    return is_new_era(context) or context.session.can_send_request


def form_answer_from(result: t.ElicitResult) -> FormAnswer:
    """Return a client's answer to a form."""
    return FormAnswer(action=result.action, content=dict(result.content or {}))


def question_result(question: ConfirmationForm, state: str) -> t.InputRequiredResult:
    """Return the question as a result (new era); `state` is sealed on its way out."""
    return t.InputRequiredResult(input_requests={QUESTION: form_request(question)}, request_state=state)


def form_request(question: ConfirmationForm) -> t.ElicitRequest:
    """Return a question as the request that a client puts to its human."""
    return t.ElicitRequest(params=t.ElicitRequestFormParams(message=question.text, requested_schema=question.schema))


def client_name(context: Context) -> str:
    """Return the client's own name; empty when it sends none."""
    params = context.session.client_params
    return params.client_info.name if params else ""


def connection_of(context: Context) -> Connection:
    """Return a client's connection, with its state and its clean-up."""
    return context.session._connection  # noqa: SLF001 - a session offers neither


def seal_state(server: Server[Any], principal: Callable[[Context], str], keys: Sequence[bytes]) -> None:
    """Seal every state that leaves: bound to principal, tool and arguments; one that was altered is refused.

    Without `keys` (32 bytes each, the first seals) a key of this process is used, which dies with it.
    """
    server.middleware.append(_StateSeal(server.name, principal, list(keys) or [secrets.token_bytes(32)]))


class _StateSeal:
    """The SDK's seal, imported with its cryptography at the first state that comes or leaves: reads have no state."""

    def __init__(self, audience: str, principal: Callable[[Context], str], keys: Sequence[bytes]) -> None:
        self._audience = audience
        self._principal = principal
        self._keys = keys
        self._loaded: ServerMiddleware[Any] | None = None

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Open the state of a request, and seal that of its result."""
        if self._loaded is None and (ctx.params or {}).get("requestState") is None:
            result = await call_next(ctx)
            return await self._seal(ctx, result) if is_input_required(result) else result
        return await self._boundary(ctx, call_next)

    async def _seal(self, context: Context, result: HandlerResult) -> HandlerResult:
        async def answered(_: Context) -> HandlerResult:
            return result

        return await self._boundary(context, answered)

    @property
    def _boundary(self) -> ServerMiddleware[Any]:
        if self._loaded is None:
            from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity  # noqa: PLC0415 - see above

            security = RequestStateSecurity(keys=list(self._keys), ttl=STATE_TTL, bind_principal=self._principal)
            self._loaded = RequestStateBoundary(security, default_audience=self._audience)
        return self._loaded


def install_extension(server: Server[Any], extension: Extension) -> None:
    """Add an extension to the low-level server, as the SDK's own composition does; one more replaces its methods."""
    for method in extension.methods():
        server.add_request_handler(method.method, method.params_type, _gated(method))
    server.extensions[extension.identifier] = extension.settings()


def _gated(method: MethodBinding) -> RequestHandler:
    async def handle(context: Context, params: Any) -> HandlerResult:
        if method.protocol_versions is not None and context.protocol_version not in method.protocol_versions:
            raise MCPError(t.METHOD_NOT_FOUND, "Method not found", method.method)
        return await method.handler(context, params)

    return handle


def require_extension(context: Context, identifier: str) -> None:
    """Raise the protocol error unless the client of a request declared an extension."""
    from mcp.server.mcpserver import require_client_extension  # noqa: PLC0415 - it loads the composed server

    require_client_extension(context, identifier)


def unknown_tool_error(name: str, near: str = "") -> MCPError:
    """Return the protocol error the specification has for a tool that does not exist; `near` is one that does."""
    return MCPError(t.INVALID_PARAMS, f"Unknown tool: {name}{f'. Did you mean {near}?' if near else ''}")


def invalid_cursor_error() -> MCPError:
    """Return the protocol error for a page that does not exist."""
    return MCPError(t.INVALID_PARAMS, "Invalid cursor")


def resource_not_found_error(context: Context, uri: str, why: str = "") -> MCPError:
    """Return the protocol error for a missing resource, as the client's revision has it."""
    modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
    code = t.INVALID_PARAMS if modern else RESOURCE_NOT_FOUND
    shortened = uri[:LONGEST_URI]
    return MCPError(code, f"Resource not found: {sanitize(why or shortened, LONGEST_URI)}", {"uri": shortened})


def unreadable_error(uri: str, why: str) -> MCPError:
    """Return the protocol error for a resource that exists and cannot be read now; `why` is included."""
    return MCPError(t.INTERNAL_ERROR, why, {"uri": uri[:LONGEST_URI]})


def invalid_params_error(why: str) -> MCPError:
    """Return the protocol error for parameters that make no sense."""
    return MCPError(t.INVALID_PARAMS, why)
