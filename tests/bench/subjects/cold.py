"""A first read: from the start of a process to the first result of `vps_list`, beside a bare server of one tool."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Final

from anyio import to_thread

from tests.bench.children import cpu_seconds, environment, module, running, vpsops
from tests.bench.mcp_client import good, since
from tests.bench.mcp_wire import CLIENT, LEGACY, Http, Stdio, WireCall, WireLink, WireServer, request, rss_kib
from tests.bench.plan import BenchPlan, Section, Table, median
from tests.bench.provider import provider

LIST: Final = WireCall("vps_list")
HELLO: Final = {"protocolVersion": LEGACY, "capabilities": {"elicitation": {}}, "clientInfo": CLIENT}
TARGET: Final = (
    "Targets, as a ratio to the bare server: first result ≤ 1.0 and memory after it ≤ 1.2 on stdio; first answer ≤ 1.1"
    " and memory after it ≤ 1.2 over HTTP. On the socket, first result ≤ 60 ms and memory after it ≤ 12 MiB."
)


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Figures of one start: milliseconds since the spawn, processor milliseconds, and MiB."""

    answer: float
    idle: float
    result: float
    processor: float
    after: float


async def measure(plan: BenchPlan) -> Section:
    """ColdStart both servers in turns, on every way in."""
    turns = plan.pick(9, 2)
    rows: list[list[str]] = []
    async with provider(plan.folder, speed=60) as there:
        env = environment(plan.folder, **there.environ(f"sqlite:///{plan.folder / 'cold.sqlite3'}"))
        for way in ("stdio", "HTTP"):
            rows += await _compared(way, servers(way, env), turns)
        async with _service(env) as pipe:
            bare = servers("stdio", env)[1]
            rows += await _compared("socket", (WireServer("vpsops", vpsops("mcp"), pipe, LIST), bare), turns)
    head = ["way in", "server", "first answer ms", "idle MiB", "first result ms", "its processor ms", "after it MiB"]
    return Section(
        "A first read",
        f"From the start of a process to the first result of `vps_list`: {turns} starts of each server in turns after"
        " one that does not count (the median). vpsops asks the simulated provider for two servers, by the policy in"
        " its database; the bare server has one tool, made with the SDK's own means, and answers from memory. On the"
        " socket vpsops is `vpsops mcp` as the pipe to a running service, beside the bare server on stdio. The"
        " processor's time says more than the clock's on a machine that others use.",
        [Table(head, rows)],
        [TARGET],
    )


async def _compared(way: str, both: tuple[WireServer, WireServer], turns: int) -> list[list[str]]:
    """Return the rows of two servers on one way in."""
    starts: tuple[list[ColdStart], list[ColdStart]] = ([], [])
    for turn in range(turns + 1):
        for server, kept in zip(both, starts, strict=True):
            figures = await to_thread.run_sync(first_read, server, way)
            if turn:
                kept.append(figures)
    return [*(_row(way, server.name, kept) for server, kept in zip(both, starts, strict=True)), _ratios(way, *starts)]


@asynccontextmanager
async def _service(env: Mapping[str, str]) -> AsyncIterator[dict[str, str]]:
    """Run a service on a socket; yield the environment of its assistants, who hold no key and no database."""
    with TemporaryDirectory() as folder:  # a socket's path has 107 bytes at most
        path = f"{folder}/mcp.sock"
        async with running(vpsops("serve", "--socket", path, "--http", "127.0.0.1:0"), env) as service:
            await service.line("socket: ")
            yield {**{name: env[name] for name in ("PATH", "HOME")}, "VPSOPS_SOCKET": path}


def servers(way: str, env: Mapping[str, str]) -> tuple[WireServer, WireServer]:
    """Return both servers on one way in."""
    ours = vpsops("mcp", *(["--http", "127.0.0.1:{port}"] if way == "HTTP" else []))
    bare = module("bare_tool", *(["{port}"] if way == "HTTP" else []))
    return WireServer("vpsops", ours, env, LIST), WireServer("bare SDK", bare, env, LIST)


def first_read(server: WireServer, way: str) -> ColdStart:
    """ColdStart a server and read once; raises `WireError`."""
    link: WireLink = Http(server, LEGACY) if way == "HTTP" else Stdio(server)
    try:
        good(link.call(request(1, "initialize", HELLO, LEGACY)))
        answer = since(link.started)
        link.notify("notifications/initialized")
        good(link.call(request(2, "tools/list", {}, LEGACY)))
        idle = rss_kib(link.process.pid)
        good(link.call(request(3, "tools/call", {"name": LIST.tool, "arguments": {}}, LEGACY)))
        result = since(link.started)
        processor = cpu_seconds(link.process.pid) * 1e3
        return ColdStart(answer, idle / 1024, result, processor, rss_kib(link.process.pid) / 1024)
    finally:
        link.close()


def _row(way: str, name: str, starts: Sequence[ColdStart]) -> list[str]:
    return [way, name, *(f"{figure:.0f}" for figure in _medians(starts))]


def _ratios(way: str, ours: Sequence[ColdStart], bare: Sequence[ColdStart]) -> list[str]:
    pairs = zip(_medians(ours), _medians(bare), strict=True)
    return [way, "ratio", *(f"{mine / theirs:.2f}" for mine, theirs in pairs)]


def _medians(starts: Sequence[ColdStart]) -> list[float]:
    names = ("answer", "idle", "result", "processor", "after")
    return [median([getattr(start, name) for start in starts]) for name in names]
