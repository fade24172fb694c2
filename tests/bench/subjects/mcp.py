"""`vpsops mcp` beside a bare SDK server of ten tools: start, memory, calls, in both eras and on both transports."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from anyio import to_thread

from tests.bench.children import environment, module, running, vpsops
from tests.bench.mcp_client import Calls, ClientRun, run
from tests.bench.mcp_wire import LEGACY, MODERN, WireCall, WireError, WireServer
from tests.bench.plan import BenchPlan, Section, Table, median
from tests.bench.provider import provider

CALLS: Final[Mapping[str, tuple[WireCall, WireCall]]] = {
    "no provider": (WireCall("vps_get", {"server": {"name": "web01"}}, refuses=True), WireCall("vps_list")),
    "get": (WireCall("vps_get", {"server": "web01"}), WireCall("vps_get", {"server": "web01"})),
}
WAYS: Final = (("stdio", LEGACY), ("stdio", MODERN), ("HTTP", LEGACY), ("HTTP", MODERN))
SERVICE: Final = "stdio to a service"
"""`vpsops mcp` as a pipe to `vpsops serve --socket`; the service's own memory is not counted."""
TO_BEAT: Final = (
    "Measured on a like machine on stdio, first answer / tools/list / call p50 / p95 in ms, RSS in MiB:"
    " @digitalocean/mcp 32 / 33 / 0.07 / 0.13, 58; kubernetes-mcp-server 72 / 74 / 0.18 / 1.06, 106;"
    " mcp SDK 455 / 458 / 0.46 / 0.70, 66; fastmcp 751 / 935 / 0.70 / 1.09, 90; @azure/mcp 965 / 1006 / 0.16 /"
    " 0.28, 118."
)
TARGET: Final = (
    "Targets on stdio: first answer ≤ 50 ms, tools/list ≤ 60 ms, idle ≤ 20 MiB, call p50 ≤ 0.6 and p95 ≤ 1.0 ms."
)
SERVICE_TARGET: Final = "Targets with a service: tools/list and the first call together ≤ 60 ms, RSS after ≤ 12 MiB."


@dataclass(frozen=True, slots=True)
class BenchCase:
    """One server in one way."""

    server: WireServer
    transport: str
    era: str
    call: str


async def measure(plan: BenchPlan) -> Section:
    """Run all cases in turns; one that fails is said so and left out."""
    turns, number = plan.pick((5, 300), (2, 40))
    path = str(plan.folder / "mcp.sock")
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(provider(plan.folder, speed=60))
        env = environment(plan.folder, **there.environ(f"sqlite:///{plan.folder / 'mcp.sqlite3'}"))
        command = vpsops("serve", "--http", "127.0.0.1:0", "--socket", path)
        service = await stack.enter_async_context(running(command, env))
        await service.line("socket: ")
        listed = [*cases({**env, "VPSOPS_SOCKET": "off"}), *service_cases({**env, "VPSOPS_SOCKET": path})]
        runs: dict[int, list[ClientRun]] = {index: [] for index in range(len(listed))}
        failed: dict[int, str] = {}
        for turn in range(turns + 1):
            for index, case in enumerate(listed):
                if index in failed:
                    continue
                try:
                    calls = Calls(case.era, case.transport == "HTTP", number)
                    figures = await to_thread.run_sync(run, case.server, calls)
                except (WireError, OSError, ValueError, KeyError) as error:
                    failed[index] = f"{case.server.name}, {case.transport}, {case.era}: {error}"
                    sys.stderr.write(f"mcp: {failed[index]}\n")
                else:
                    runs[index] += [figures] if turn else []
    if not any(runs.values()):
        raise RuntimeError("no server could be measured")
    head = ["server", "transport, era", "call", "first answer ms", "tools/list ms", "RSS idle MiB", "first call ms"]
    rows = [_row(listed[index], value) for index, value in runs.items() if value]
    return Section(
        "MCP server",
        f"{turns} starts of each server in turns after one that does not count, {number} sequential calls in"
        " each (median"
        " over the starts). The bare server has ten typed tools made with the SDK's own means. Without the"
        " provider vpsops refuses an argument of the wrong type, and the bare server lists from memory; `get`"
        " finds a server"
        " by the beginning of its name and shows it: two requests to the simulated provider in both.",
        [Table([*head, "call p50 / p95 ms", "RSS after MiB", "tools", "tool list bytes"], rows)],
        [TARGET, SERVICE_TARGET, TO_BEAT, *(f"Not measured: {first_line(text)}" for text in failed.values())],
    )


def first_line(text: str) -> str:
    """Return the first line of why something failed."""
    return text.splitlines()[0][:160]


def cases(env: Mapping[str, str]) -> Sequence[BenchCase]:
    """Return every server in every way with every call."""
    results = []
    for transport, era in WAYS:
        for name, (our_call, bare_call) in CALLS.items():
            ours = vpsops("mcp", *(["--http", "127.0.0.1:{port}"] if transport == "HTTP" else []))
            bare = module("bare_mcp", *(["{port}"] if transport == "HTTP" else []))
            results += [
                BenchCase(WireServer("vpsops", ours, env, our_call), transport, era, name),
                BenchCase(WireServer("bare SDK", bare, env, bare_call), transport, era, name),
            ]
    return results


def service_cases(env: Mapping[str, str]) -> Sequence[BenchCase]:
    """Return `vpsops mcp` beside a service, in each era with every call."""
    return [
        BenchCase(WireServer("vpsops", vpsops("mcp"), env, our_call), SERVICE, era, name)
        for era in (LEGACY, MODERN)
        for name, (our_call, _) in CALLS.items()
    ]


def _row(case: BenchCase, runs: Sequence[ClientRun]) -> list[str]:
    return [
        case.server.name,
        f"{case.transport}, {case.era}",
        case.call,
        f"{median([each.first_answer for each in runs]):.0f}",
        f"{median([each.tool_list for each in runs]):.0f}",
        f"{median([each.memory_idle for each in runs]):.0f}",
        f"{median([each.first_call for each in runs]):.0f}",
        f"{median([each.p50 for each in runs]):.2f} / {median([each.p95 for each in runs]):.2f}",
        f"{median([each.memory_after for each in runs]):.0f}",
        str(runs[-1].tools),
        f"{runs[-1].list_bytes:,}",
    ]
