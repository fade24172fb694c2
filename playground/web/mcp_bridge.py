"""The heavier half of the playground: the real MCP server over HTTP, the page's agent, and the view of the truth."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from vpsops.core.app import Runtime, open_runtime
from vpsops.core.common.clock import Clock
from vpsops.core.common.redaction import Redactor
from vpsops.core.config.settings import load_settings
from vpsops.mcp_server.server import ServerOptions, build_server
from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.web.agent import Action, Agent, Era, PageOrderError
from vpsops.playground.web.agent_runs import AgentRuns, player_of
from vpsops.playground.web.events.audit_panel import read_truth
from vpsops.playground.web.runtime import Ground

MCP_PATH = "/mcp"
PATIENCE = 600.0  # seconds a call waits for people: a visitor reads before clicking
TRUTH_SECONDS = 30.0
SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD")
SHORTEST_SECRET = 8


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


class TaskGiven(BaseModel):
    """POST /api/agent/task."""

    model_config = ConfigDict(extra="forbid")

    task: str


class Given(BaseModel):
    """POST /api/agent/cancel, of a call, and /api/agent/stop, of a task."""

    model_config = ConfigDict(extra="forbid")

    number: int


@asynccontextmanager
async def running_backstage(ground: Ground) -> AsyncIterator[None]:
    """Open a core as the MCP server's process would, serve it, and connect the page's agent to it."""
    settings = load_settings(ground.environment)
    async with open_runtime(settings, front="mcp", clock=ground.clock) as runtime, anyio.create_task_group() as group:
        server = build_server(runtime.core, ServerOptions(change_tools=True, patience=PATIENCE))
        mcp = server.streamable_http_app(streamable_http_path=MCP_PATH)
        redactor = Redactor(known_secrets(ground.environment, os.environ))
        agent = Agent(f"{ground.url}{MCP_PATH}", ground.feed.bell, ground.clock, group, redactor)
        runs = AgentRuns(agent, player_of(ground.agent_program), group, ground.feed.bell, redactor)
        async with server.session_manager.run():
            ground.feed.topics["tools"] = lambda _user: agent.tools
            ground.feed.topics["agent"] = lambda _user: {"calls": [each.as_json() for each in agent.calls]}
            ground.feed.topics["runs"] = lambda _user: runs.as_json()
            ground.backstage = Starlette(routes=[*_routes(agent, runs, ground.clock), *mcp.routes])
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


def known_secrets(*environments: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of what is named as a secret: a program is started with them, and may repeat them."""
    values = {
        value
        for environment in environments
        for name, value in environment.items()
        if name.endswith(SECRET_NAMES) and len(value) >= SHORTEST_SECRET
    }
    return tuple(sorted(values, key=len, reverse=True))


def _routes(agent: Agent, runs: AgentRuns, clock: Clock) -> list[BaseRoute]:
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

    async def task(request: Request) -> Response:
        order = TaskGiven.model_validate_json(await request.body())
        return JSONResponse({"ok": True, "number": runs.start(order.task, clock.now().isoformat())})

    async def stop(request: Request) -> Response:
        runs.stop(Given.model_validate_json(await request.body()).number)
        return JSONResponse({"ok": True})

    orders = {"call": call, "answer": answer, "cancel": cancel, "task": task, "stop": stop}
    return [Route(f"/api/agent/{name}", _guarded(handler), methods=["POST"]) for name, handler in orders.items()]


def _guarded(handler: Any) -> Any:
    async def guarded(request: Request) -> Response:
        try:
            answer: Response = await handler(request)
        except (ValidationError, PageOrderError) as refused:
            return JSONResponse({"ok": False, "error": str(refused)}, 422)
        return answer

    return guarded
