"""Tools of the suite that answer at once, or say something of themselves first."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import mcp.types as t
from mcp.server.context import HandlerResult
from mcp.server.subscriptions import PromptsListChanged, ServerEvent, ToolsListChanged
from mcp.shared.exceptions import MCPError

from vpsops.core.common.clock import Clock, SystemClock
from vpsops.mcp_server.protocol.sdk_compat import Context

Run = Callable[[Context, t.CallToolRequestParams], Awaitable[HandlerResult]]
Json = dict[str, Any]

CLOCK: Final[Clock] = SystemClock()
PNG: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV: Final = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
PAUSE: Final = 0.05  # seconds between two notifications, as the suite's descriptions have it


@dataclass(frozen=True, slots=True)
class Fixture:
    """A tool that the suite expects of a server under test."""

    name: str
    run: Run
    schema: Json

    @property
    def tool(self) -> t.Tool:
        """The tool as it is listed."""
        return t.Tool(name=self.name, description="Needed by the conformance suite.", input_schema=self.schema)


def fixture(name: str, run: Run, /, **properties: Json) -> Fixture:
    """Return a tool with these arguments."""
    return Fixture(name, run, {"type": "object", "properties": properties})


def text(content: str) -> t.TextContent:
    return t.TextContent(type="text", text=content)


def text_result(content: str, *, failed: bool = False) -> t.CallToolResult:
    """Return a result of one text."""
    return t.CallToolResult(content=[text(content)], is_error=failed)


def embedded(uri: str, kind: str, content: str) -> t.EmbeddedResource:
    return t.EmbeddedResource(type="resource", resource=t.TextResourceContents(uri=uri, mime_type=kind, text=content))


def image() -> t.ImageContent:
    return t.ImageContent(type="image", data=PNG, mime_type="image/png")


def shows(*content: t.ContentBlock) -> Run:
    """Return what answers with fixed content."""

    async def run(context: Context, params: t.CallToolRequestParams) -> t.CallToolResult:
        del context, params
        return t.CallToolResult(content=list(content))

    return run


async def fail(context: Context, params: t.CallToolRequestParams) -> t.CallToolResult:
    del context, params
    return text_result("This tool intentionally returns an error for testing", failed=True)


async def progress(context: Context, params: t.CallToolRequestParams) -> t.CallToolResult:
    del params
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100, f"Completed step {done} of 100")
        await CLOCK.sleep(PAUSE)
    return text_result("Done.")


async def log(context: Context, params: t.CallToolRequestParams) -> t.CallToolResult:
    del params
    for content in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        note = t.LoggingMessageNotification(params=t.LoggingMessageNotificationParams(level="info", data=content))
        await context.session.send_notification(note, context.request_id)
        await CLOCK.sleep(PAUSE)
    return text_result("Done.")


async def log_nothing(context: Context, params: t.CallToolRequestParams) -> t.CallToolResult:
    del context, params
    return text_result("A request that did not ask for log messages gets none.")


async def greet(context: Context, params: t.CallToolRequestParams) -> t.CallToolResult:
    del context
    return text_result(f"Hello, {(params.arguments or {}).get('name')}!")


async def reconnect(context: Context, params: t.CallToolRequestParams) -> t.CallToolResult:
    del params
    if context.close_sse_stream is not None:
        await context.close_sse_stream()
    return text_result("Reconnection test completed")


async def needs_sampling(context: Context, params: t.CallToolRequestParams) -> t.CallToolResult:
    del params
    declared = context.session.client_capabilities
    if declared is None or declared.sampling is None:
        data: Json = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(t.MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs sampling", data)
    return text_result("The client can sample.")


def publishes(event: ServerEvent) -> Run:
    """Return the publisher of change notifications on the server's own bus."""

    async def run(context: Context, params: t.CallToolRequestParams) -> t.CallToolResult:
        del params
        await context.lifespan_context.bus.publish(event)
        return text_result("Notified.")

    return run


SCHEMA_2020: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

PLAIN: Final = (
    fixture("test_simple_text", shows(text("This is a simple text response for testing."))),
    fixture("test_image_content", shows(image())),
    fixture("test_audio_content", shows(t.AudioContent(type="audio", data=WAV, mime_type="audio/wav"))),
    fixture(
        "test_embedded_resource",
        shows(embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")),
    ),
    fixture(
        "test_multiple_content_types",
        shows(
            text("Multiple content types test:"),
            image(),
            embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
        ),
    ),
    fixture("test_error_handling", fail),
    fixture("test_tool_with_progress", progress),
    fixture("test_tool_with_logging", log),
    fixture("test_logging_tool", log_nothing),
    fixture("test_reconnection", reconnect),
    fixture("greet", greet, name={"type": "string"}),
    Fixture("json_schema_2020_12_tool", shows(text("ok")), SCHEMA_2020),
    fixture("test_header", shows(text("ok")), region={"type": "string", "x-mcp-header": "Region"}),
    fixture("test_missing_capability", needs_sampling),
    fixture("test_trigger_tool_change", publishes(ToolsListChanged())),
    fixture("test_trigger_prompt_change", publishes(PromptsListChanged())),
)
FIXTURES: Final[Mapping[str, Fixture]] = {item.name: item for item in PLAIN}
