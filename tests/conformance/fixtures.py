"""Adds what the suite expects of a server under test to our server object, beside what it has."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import mcp.types as t
from mcp.server.context import HandlerResult
from mcp.server.lowlevel import Server

from tests.conformance.baseline import BaselineTasks, kept_tools
from tests.conformance.elicitation_client import ASKING, prompt
from tests.conformance.plain_client import PLAIN, PNG, Fixture, embedded, image, text
from vpsops.mcp_server.protocol.sdk_compat import Context
from vpsops.mcp_server.protocol.tasks import TaskStore, serve_tasks

SCHEME: Final = "test://"
TEMPLATE: Final = "test://template/"
ASKING_PROMPT: Final = "test_input_required_result_prompt"
RESOURCES: Final = ("static-text", "static-binary", "watched-resource")
PROMPTS: Final[Mapping[str, tuple[str, ...]]] = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
    ASKING_PROMPT: (),
}
Mine = Callable[[Context, Any], Awaitable[HandlerResult]]


def add_fixtures(server: Server[Any], tasks: TaskStore) -> None:
    """Add the suite's tools, resources and prompts to a server, and its tasks to those it has."""
    kept = BaselineTasks(tasks)
    serve_tasks(server, kept)
    tools = {item.name: item for item in (*PLAIN, *ASKING, *kept_tools(kept))}
    _add_tools(server, tools)
    _add_resources(server)
    _add_prompts(server)
    server.add_request_handler("logging/setLevel", t.SetLevelRequestParams, _acknowledge)


def _add_tools(server: Server[Any], tools: Mapping[str, Fixture]) -> None:
    async def run(context: Context, params: t.CallToolRequestParams) -> HandlerResult:
        return await tools[params.name].run(context, params)

    _extend(server, "tools/list", tools=[tool.tool for tool in tools.values()])
    _divert(server, "tools/call", lambda params: params.name in tools, run)


def _add_resources(server: Server[Any]) -> None:
    listed = [t.Resource(uri=f"{SCHEME}{name}", name=name) for name in RESOURCES]
    template = t.ResourceTemplate(uri_template=f"{TEMPLATE}{{id}}/data", name="template")
    _extend(server, "resources/list", resources=listed)
    _extend(server, "resources/templates/list", resource_templates=[template])
    _divert(server, "resources/read", lambda params: _contents(params.uri) is not None, _read)
    for method in ("resources/subscribe", "resources/unsubscribe"):
        _divert(server, method, lambda params: params.uri.startswith(SCHEME), _acknowledge)


def _add_prompts(server: Server[Any]) -> None:
    listed = [
        t.Prompt(
            name=name,
            description="Needed by the conformance suite.",
            arguments=[t.PromptArgument(name=argument, required=True) for argument in arguments],
        )
        for name, arguments in PROMPTS.items()
    ]
    _extend(server, "prompts/list", prompts=listed)
    _divert(server, "prompts/get", lambda params: params.name in PROMPTS, _get_prompt)
    _divert(server, "completion/complete", lambda params: getattr(params.ref, "name", "") in PROMPTS, _complete)


def _extend(server: Server[Any], method: str, **more: list[Any]) -> None:
    """Put more at the end of what a method lists."""
    entry = server.get_request_handler(method)
    assert entry is not None, method
    ((kind, added),) = more.items()

    async def listed(context: Context, params: Any) -> HandlerResult:
        result: Any = await entry.handler(context, params)
        longer: HandlerResult = result.model_copy(update={kind: [*getattr(result, kind), *added]})
        return longer

    server.add_request_handler(method, entry.params_type, listed)


def _divert(server: Server[Any], method: str, is_mine: Callable[[Any], bool], mine: Mine) -> None:
    """Answer some requests here and leave the others to the server."""
    entry = server.get_request_handler(method)
    assert entry is not None, method

    async def handle(context: Context, params: Any) -> HandlerResult:
        return await (mine if is_mine(params) else entry.handler)(context, params)

    server.add_request_handler(method, entry.params_type, handle)


async def _acknowledge(context: Context, params: Any) -> t.EmptyResult:
    del context, params
    return t.EmptyResult()


async def _read(context: Context, params: t.ReadResourceRequestParams) -> t.ReadResourceResult:
    del context
    contents = _contents(params.uri)
    assert contents is not None
    return t.ReadResourceResult(contents=[contents], ttl_ms=0, cache_scope="private")


def _contents(uri: str) -> t.TextResourceContents | t.BlobResourceContents | None:
    if uri == f"{SCHEME}static-binary":
        return t.BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)
    if uri.startswith(TEMPLATE):
        ident = uri.removeprefix(TEMPLATE).split("/", 1)[0]
        document = json.dumps({"id": ident, "templateTest": True, "data": f"Data for ID: {ident}"})
        return t.TextResourceContents(uri=uri, mime_type="application/json", text=document)
    if uri.removeprefix(SCHEME) in RESOURCES:
        words = uri.removeprefix(SCHEME).replace("-", " ")
        document = f"This is the content of the {words} resource."
        return t.TextResourceContents(uri=uri, mime_type="text/plain", text=document)
    return None


async def _get_prompt(context: Context, params: t.GetPromptRequestParams) -> HandlerResult:
    del context
    if params.name == ASKING_PROMPT:
        return await prompt(params)
    arguments = params.arguments or {}
    content: Mapping[str, list[t.ContentBlock]] = {
        "test_simple_prompt": [text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments": [
            text(f"Prompt with arguments: arg1='{arguments.get('arg1')}', arg2='{arguments.get('arg2')}'")
        ],
        "test_prompt_with_embedded_resource": [
            embedded(arguments.get("resourceUri", ""), "text/plain", "Embedded resource content for testing."),
            text("Please process the embedded resource above."),
        ],
        "test_prompt_with_image": [image(), text("Please analyze the image above.")],
    }
    return t.GetPromptResult(messages=[t.PromptMessage(role="user", content=item) for item in content[params.name]])


async def _complete(context: Context, params: t.CompleteRequestParams) -> t.CompleteResult:
    del context, params
    return t.CompleteResult(completion=t.Completion(values=[], total=0, has_more=False))
