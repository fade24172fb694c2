"""One run against an MCP server: from its start to the tool list, then the same call again and again."""

import time
from dataclasses import dataclass

from tests.bench.mcp_wire import (
    CLIENT,
    LEGACY,
    Http,
    Message,
    Stdio,
    WireError,
    WireLink,
    WireServer,
    compact,
    request,
    rss_kib,
)
from tests.bench.plan import share

WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Calls:
    """How to talk to the servers, and how often."""

    era: str
    over_http: bool
    number: int


@dataclass(frozen=True, slots=True)
class ClientRun:
    """Figures of one run: milliseconds since the start, of a call, and MiB."""

    first_answer: float
    tool_list: float
    memory_idle: float
    first_call: float
    p50: float
    p95: float
    memory_after: float
    tools: int
    list_bytes: int


def run(server: WireServer, calls: Calls) -> ClientRun:
    """Start a server, ask what a host asks, call its tool, end it; raises `WireError`."""
    link: WireLink = Http(server, calls.era) if calls.over_http else Stdio(server)
    try:
        return _run(link, server, calls)
    finally:
        link.close()


def _run(link: WireLink, server: WireServer, calls: Calls) -> ClientRun:
    first = _open(link, calls.era)
    tools, listed = _tools(link, calls.era)
    idle = rss_kib(link.process.pid)
    every = [_time(link, server, calls.era, number) for number in range(WARM_UP + calls.number)]
    taken = every[WARM_UP:]
    return ClientRun(
        first_answer=first,
        tool_list=listed,
        memory_idle=idle / 1024,
        first_call=every[0],
        p50=share(taken, 0.5),
        p95=share(taken, 0.95),
        memory_after=rss_kib(link.process.pid) / 1024,
        tools=len(tools),
        list_bytes=len(compact(tools)),
    )


def _open(link: WireLink, era: str) -> float:
    if era == LEGACY:
        params = {"protocolVersion": LEGACY, "capabilities": {"elicitation": {}}, "clientInfo": CLIENT}
        good(link.call(request(1, "initialize", params, era)))
    else:
        good(link.call(request(1, "server/discover", {}, era)))
    taken = since(link.started)
    if era == LEGACY:
        link.notify("notifications/initialized")
    return taken


def _tools(link: WireLink, era: str) -> tuple[list[Message], float]:
    tools: list[Message] = []
    cursor, ident = "", 2
    while True:
        answer = good(link.call(request(ident, "tools/list", {"cursor": cursor} if cursor else {}, era)))
        tools += answer["tools"]
        cursor, ident = answer.get("nextCursor", ""), ident + 1
        if not cursor:
            return tools, since(link.started)


def _time(link: WireLink, server: WireServer, era: str, number: int) -> float:
    method = server.call
    message = request(100 + number, "tools/call", {"name": method.tool, "arguments": dict(method.arguments)}, era)
    begun = time.perf_counter()
    answer = link.call(message)
    taken = since(begun)
    refused = "error" in answer or bool(answer["result"].get("isError"))
    if refused is not method.refuses:
        raise WireError(f"{server.name} answered {method.tool} with {answer}"[:500])
    return taken


def since(begun: float) -> float:
    """Return the milliseconds since a moment."""
    return (time.perf_counter() - begun) * 1e3


def good(answer: Message) -> Message:
    """Return the result; raises `WireError` for an error."""
    if "result" not in answer:
        raise WireError(str(answer.get("error"))[:500])
    result: Message = answer["result"]
    return result
