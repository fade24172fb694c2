"""The heavier half of the playground: the real MCP server over HTTP, the page's agent, and the view of the truth."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from vpsops.core.app import Runtime, open_runtime
from vpsops.core.config.settings import load_settings
from vpsops.mcp_server.server import ServerOptions, build_server
from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.web.agent import Action, Agent, Era
from vpsops.playground.web.events.audit_panel import read_truth
from vpsops.playground.web.runtime import Ground

MCP_PATH = "/mcp"
PATIENCE = 600.0  # seconds a call waits for people: a visitor reads before clicking
TRUTH_SECONDS = 30.0


class BridgeStart(BaseModel):
    """POST /api/agent/call."""

    model_config = ConfigDict(extra="forbid")

    tool: str
    arguments: dict[str, Any] = {}
    era: Era = "auto"


class Answered(BaseModel):
    """POST /api/agent/answer."""

    model_config = ConfigDict(extra="forbid")

    number: int
    action: Action
    content: dict[str, str | int | float | bool | list[str] | None] = {}


class Given(BaseModel):
    """POST /api/agent/cancel."""

    model_config = ConfigDict(extra="forbid")

    number: int


@asynccontextmanager
async def running_backstage(ground: Ground) -> AsyncIterator[None]:
    """Open a core as the MCP server's process would, serve it, and connect the page's agent to it."""
    settings = load_settings(ground.environment)
    async with open_runtime(settings, front="mcp") as runtime, anyio.create_task_group() as group:
        server = build_server(runtime.core, ServerOptions(change_tools=True, patience=PATIENCE))
        mcp = server.streamable_http_app(streamable_http_path=MCP_PATH)
        agent = Agent(f"{ground.url}{MCP_PATH}", ground.feed.bell, ground.clock, group)
        async with server.session_manager.run():
            ground.feed.topics["tools"] = lambda _user: agent.tools
            ground.feed.topics["agent"] = lambda _user: {"calls": [each.as_json() for each in agent.calls]}
            ground.backstage = Starlette(routes=[*_routes(agent), *mcp.routes])
            group.start_soon(_watch_truth, ground, runtime)
            await agent.learn()
            ground.report("agent", "ready")
            try:
                yield
            finally:
                group.cancel_scope.cancel()


async def _watch_truth(ground: Ground, runtime: Runtime) -> None:
    known: dict[str, Json] = {"truth": {}}
    ground.feed.topics["truth"] = lambda _user: known["truth"]
    while True:
        mark = runtime.database.signals.mark()
        truth = await read_truth(runtime)
        if truth != known["truth"]:
            known["truth"] = truth
            ground.feed.bell.ring()
        await runtime.database.signals.wait(TRUTH_SECONDS, since=mark)


def _routes(agent: Agent) -> list[BaseRoute]:
    async def call(request: Request) -> Response:
        order = BridgeStart.model_validate_json(await request.body())
        return JSONResponse({"ok": True, "number": agent.start(order.tool, order.arguments, order.era)})

    async def answer(request: Request) -> Response:
        order = Answered.model_validate_json(await request.body())
        agent.answer(order.number, order.action, order.content)
        return JSONResponse({"ok": True})

    async def cancel(request: Request) -> Response:
        agent.cancel(Given.model_validate_json(await request.body()).number)
        return JSONResponse({"ok": True})

    return [
        Route(f"/api/agent/{name}", _guarded(handler), methods=["POST"])
        for name, handler in {"call": call, "answer": answer, "cancel": cancel}.items()
    ]


def _guarded(handler: Any) -> Any:
    async def guarded(request: Request) -> Response:
        try:
            answer: Response = await handler(request)
        except (ValidationError, KeyError) as refused:
            return JSONResponse({"ok": False, "error": str(refused)}, 422)
        return answer

    return guarded
