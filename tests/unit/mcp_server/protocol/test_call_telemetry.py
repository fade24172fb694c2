"""Calls of tools are counted by tools that there are, in traces that no client chooses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import mcp.types as t
import pytest
from mcp.shared.exceptions import MCPError

from tests.unit.core.monitoring.test_change_telemetry import ListMeter
from tests.unit.core.telemetry.test_tracer import ELSEWHERE, Recorder, ids
from vpsops.core.telemetry.telemetry import Telemetry
from vpsops.core.telemetry.tracer import trace_id_of
from vpsops.mcp_server.protocol.call_telemetry import TelemetryMiddleware
from vpsops.mcp_server.protocol.sdk_compat import Context

pytestmark = pytest.mark.real_time  # the SDK of OpenTelemetry stamps its spans


@dataclass(frozen=True)
class ToolRequest:
    """What the middleware reads of a request."""

    method: str = "tools/call"
    params: Mapping[str, Any] | None = field(default_factory=lambda: {"name": "vps_list"})
    meta: Mapping[str, Any] | None = None


@dataclass
class ScriptedAnswer:
    """The rest of the server: a result, or an error."""

    result: Any = None
    error: Exception | None = None

    async def __call__(self, _ctx: object) -> Any:
        if self.error is not None:
            raise self.error
        return self.result


OK = t.CallToolResult(content=[])
FAILED = t.CallToolResult(content=[], is_error=True)


async def observed(call: ToolRequest, answer: ScriptedAnswer) -> tuple[ListMeter, Recorder]:
    """Pass a request through the middleware."""
    meter, recorder = ListMeter(), Recorder()
    middleware = TelemetryMiddleware(Telemetry(meter, recorder.tracer), frozenset({"vps_list"}))
    if answer.error is None:
        assert await middleware(cast(Context, call), answer) is answer.result
    else:
        with pytest.raises(type(answer.error)):
            await middleware(cast(Context, call), answer)
    return meter, recorder


@pytest.mark.parametrize(
    ("params", "answer", "tool", "outcome"),
    [
        ({"name": "vps_list"}, ScriptedAnswer(OK), "vps_list", "ok"),
        ({"name": "vps_list"}, ScriptedAnswer({"isError": False}), "vps_list", "ok"),
        ({"name": "vps_list"}, ScriptedAnswer(FAILED), "vps_list", "tool_error"),
        ({"name": "vps_list"}, ScriptedAnswer({"isError": True}), "vps_list", "tool_error"),
        ({"name": "vps_list"}, ScriptedAnswer(error=MCPError(-32602, "words")), "vps_list", "protocol_error"),
        ({"name": "vps_list"}, ScriptedAnswer(error=ValueError("words")), "vps_list", "error"),
        ({"name": "web01; DROP TABLE"}, ScriptedAnswer(error=MCPError(-32602, "words")), "other", "protocol_error"),
        ({"name": 7}, ScriptedAnswer(error=MCPError(-32602, "words")), "other", "protocol_error"),
        (None, ScriptedAnswer(error=MCPError(-32602, "words")), "other", "protocol_error"),
    ],
)
async def test_a_call_has_a_tool_and_an_outcome_of_closed_lists(
    params: Mapping[str, Any] | None, answer: ScriptedAnswer, tool: str, outcome: str
) -> None:
    """One count, one time and one span for each call; names that there are not are `other`."""
    meter, recorder = await observed(ToolRequest(params=params), answer)
    assert meter.counted == [("vpsops_mcp_calls_total", {"tool": tool, "outcome": outcome})]
    assert [labels for _, _, labels in meter.observed] == [{"tool": tool}]
    span = recorder.span(f"tools/call {tool}")
    assert (span.attributes or {})["gen_ai.tool.name"] == tool
    assert span.status.is_ok or outcome != "ok"
    assert "words" not in repr(span.to_json())


@pytest.mark.requirement("one-trace")
@pytest.mark.parametrize("sent", [ELSEWHERE, "junk", 7, None])
async def test_what_a_client_sends_as_its_trace_is_a_link_and_no_parent(sent: object) -> None:
    """It chooses neither our trace id nor what is sampled; what is no traceparent is nothing."""
    _, recorder = await observed(ToolRequest(meta={"traceparent": sent}), ScriptedAnswer(OK))
    span = recorder.span("tools/call vps_list")
    assert ids(span)[1] == ""
    assert ids(span)[0] != trace_id_of(ELSEWHERE)
    links = [f"{link.context.trace_id:032x}" for link in span.links]
    assert links == ([trace_id_of(ELSEWHERE)] if sent == ELSEWHERE else [])


async def test_other_requests_pass_uncounted() -> None:
    meter, recorder = await observed(ToolRequest("tools/list"), ScriptedAnswer("tools"))
    assert meter.counted == []
    assert recorder.exporter.get_finished_spans() == ()
