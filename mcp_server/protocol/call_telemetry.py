"""Counts, times and traces each call of a tool.

Spans follow OpenTelemetry's conventions for MCP. The trace context that a client sends in `_meta` is a link and no
parent: whoever calls must not choose our trace ids, nor what is sampled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import anyio
import mcp.types as t
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError

from vpsops.core.telemetry import metrics
from vpsops.core.telemetry.telemetry import Telemetry
from vpsops.core.telemetry.tracer import NEW_TRACE, Attributes, SpanRole, is_traceparent
from vpsops.mcp_server.protocol.sdk_compat import Context

CALL: Final = "tools/call"
TRACEPARENT: Final = "traceparent"


@dataclass(frozen=True, slots=True)
class TelemetryMiddleware:
    """Middleware of the server; `tools` are the names that may enter a label or a span."""

    telemetry: Telemetry
    tools: frozenset[str]

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Observe a call of a tool; whatever else is asked for passes through."""
        if ctx.method != CALL:
            return await call_next(ctx)
        tool = self._tool_of(ctx.params)
        begun, outcome = anyio.current_time(), "protocol_error"
        attributes: Attributes = {
            "mcp.method.name": CALL,
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
        }
        tracer, links = self.telemetry.tracer, [text for text in [client_context(ctx.meta)] if text]
        try:
            with tracer.span(f"{CALL} {tool}", SpanRole.SERVER, attributes, parent=NEW_TRACE, links=links) as span:
                result = await call_next(ctx)
                outcome = "tool_error" if is_tool_error(result) else "ok"
                if outcome != "ok":
                    span.fail(outcome)
                return result
        except MCPError:
            raise
        except Exception:
            outcome = "error"
            raise
        finally:
            self.telemetry.meter.count(metrics.MCP_CALLS, tool=tool, outcome=outcome)
            self.telemetry.meter.observe(metrics.MCP_SECONDS, anyio.current_time() - begun, tool=tool)

    def _tool_of(self, params: Mapping[str, Any] | None) -> str:
        name = (params or {}).get("name")
        return name if isinstance(name, str) and name in self.tools else metrics.OTHER


def client_context(meta: Mapping[str, Any] | None) -> str:
    """Return the traceparent that a client sent, if it is well formed."""
    text = (meta or {}).get(TRACEPARENT)
    return text if isinstance(text, str) and is_traceparent(text) else ""


def is_tool_error(result: object) -> bool:
    """Return whether a result says that the tool failed."""
    if isinstance(result, t.CallToolResult):
        return result.is_error is True
    return isinstance(result, Mapping) and result.get("isError") is True
