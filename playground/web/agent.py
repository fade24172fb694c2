"""The agent's side: a client of the real MCP server over HTTP, with its human at the page.

Every call has a connection of its own, so that a question is known to belong to it.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import anyio
from anyio.abc import TaskGroup
from mcp import Client
from mcp import types as t
from mcp.client import ClientRequestContext

from vpsops.core.common.clock import Clock
from vpsops.core.common.redaction import Redactor
from vpsops.core.common.text import bound
from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.web.events.change_notifier import Bell

AGENT = t.Implementation(name="playground-agent", title="The playground's agent", version="1")
KEPT = 20
PROGRESS_KEPT = 6
SHOWN = 400
"""Characters of an argument that the page shows: a model may write any number of them."""

Era = Literal["auto", "legacy"]
Action = Literal["accept", "decline", "cancel"]


class PageOrderError(Exception):
    """What the page asks for does not go: the message says why."""


@dataclass(slots=True)
class Question:
    """What the server asks the agent's human."""

    message: str
    schema: Json
    answered: anyio.Event = field(default_factory=anyio.Event)
    answer: t.ElicitResult | None = None


@dataclass(slots=True)
class AgentCall:
    """One call of a tool, from its sending to its result; `state` is running, asks, done, failed or cancelled."""

    number: int
    tool: str
    arguments: Mapping[str, object]
    shown: Mapping[str, object]
    era: Era
    at: str
    state: str = "running"
    protocol: str = ""
    progress: list[str] = field(default_factory=list)
    question: Question | None = None
    text: str = ""
    structured: object = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def as_json(self) -> Json:
        """Return the call as the page has it."""
        question = self.question and {"message": self.question.message, "schema": self.question.schema}
        names = ("number", "tool", "era", "at", "state", "protocol", "progress", "text", "structured")
        return {**{name: getattr(self, name) for name in names}, "arguments": self.shown, "question": question}


class Agent:
    """Calls tools and keeps what became of the calls."""

    def __init__(self, url: str, bell: Bell, clock: Clock, group: TaskGroup, redactor: Redactor) -> None:
        self._url = url
        self._redactor = redactor
        self._bell = bell
        self._clock = clock
        self._group = group
        self._numbers = itertools.count(1)
        self._open: dict[int, AgentCall] = {}
        self.calls: list[AgentCall] = []
        self.tools: Json = {"tools": [], "protocol": "", "server": "", "instructions": ""}

    async def learn(self) -> None:
        """Ask the server for its tools."""
        async with Client(self._url, client_info=AGENT) as client:
            listed = await client.list_tools()
            self.tools = {
                "tools": [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed.tools],
                "protocol": client.protocol_version,
                "server": client.server_info.name if client.server_info else "",
                "instructions": client.instructions or "",
            }

    def start(self, tool: str, arguments: Mapping[str, object], era: Era) -> int:
        """Start a call; return its number."""
        call = self.prepare(tool, arguments, era)
        self.calls = [*self.calls, call][-KEPT:]
        self._group.start_soon(self.perform, call)
        self._bell.ring()
        return call.number

    def prepare(self, tool: str, arguments: Mapping[str, object], era: Era = "auto") -> AgentCall:
        """Return a call that `perform` makes."""
        shown = {bound(name, SHOWN): _shown(value, self._redactor) for name, value in arguments.items()}
        return AgentCall(next(self._numbers), tool, dict(arguments), shown, era, self._clock.now().isoformat())

    def answer(
        self, number: int, action: Action, content: Mapping[str, str | int | float | bool | list[str] | None]
    ) -> None:
        """Answer the question of a call. Raises `PageOrderError` when no question is open."""
        question = self._call(number).question
        if question is None:
            raise PageOrderError(f"Call {number} asks nothing.")
        question.answer = t.ElicitResult(action=action, content=dict(content) if action == "accept" else None)
        question.answered.set()

    def cancel(self, number: int) -> None:
        """Have the client cancel a call. Raises `PageOrderError`."""
        self._call(number).scope.cancel()

    def _call(self, number: int) -> AgentCall:
        if number not in self._open:
            raise PageOrderError(f"Call {number} is not under way.")
        return self._open[number]

    async def perform(self, call: AgentCall) -> None:
        """Make a call, and note what comes of it; only being cancelled from outside ends it otherwise."""
        self._open[call.number] = call
        try:
            with call.scope:
                await self._converse(call)
        except Exception as error:  # noqa: BLE001 - the page shows any error
            call.state, call.text = "failed", error_words(error)
        finally:
            if call.state in {"running", "asks"}:
                call.state = "cancelled"
            call.question = None
            del self._open[call.number]
            self._bell.ring()

    async def _converse(self, call: AgentCall) -> None:
        async def asked(context: ClientRequestContext, params: t.ElicitRequestParams) -> t.ElicitResult:
            del context
            return await self._ask(call, params)

        async def report(progress: float, total: float | None, message: str | None) -> None:
            del total
            call.progress = [*call.progress, f"{progress:.0f} s: {message or ''}"][-PROGRESS_KEPT:]
            self._bell.ring()

        async with Client(self._url, client_info=AGENT, elicitation_callback=asked, mode=call.era) as client:
            call.protocol = client.protocol_version
            result = await client.call_tool(call.tool, dict(call.arguments), progress_callback=report)
            call.text = "\n".join(getattr(block, "text", f"({block.type})") for block in result.content)
            call.structured = result.structured_content
            call.state = "failed" if result.is_error else "done"

    async def _ask(self, call: AgentCall, params: t.ElicitRequestParams) -> t.ElicitResult:
        schema = getattr(params, "requested_schema", {})
        question = call.question = Question(params.message, json.loads(json.dumps(schema, default=str)))
        call.state = "asks"
        self._bell.ring()
        await question.answered.wait()
        call.state, call.question = "running", None
        self._bell.ring()
        return question.answer or t.ElicitResult(action="cancel")


def _shown(value: object, redactor: Redactor) -> object:
    """Return an argument as the page shows it: without secrets, a long one cut."""
    clean: object = redactor.json(value)
    text = clean if isinstance(clean, str) else json.dumps(clean, ensure_ascii=False)
    return clean if len(text) <= SHOWN else bound(text, SHOWN)


def error_words(error: BaseException) -> str:
    """Return an error's kind and message, of the first in a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
