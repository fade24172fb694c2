"""How long a health check waits while the listener is attacked."""

import os
from contextlib import AsyncExitStack
from typing import Final

import anyio

from tests.bench.children import environment, module, running, vpsops
from tests.bench.databases import databases
from tests.bench.plan import BenchPlan, Section, Table, median, share
from tests.bench.provider import provider
from vpsops.core.common.clock import SystemClock
from vpsops.mcp_server.auth.tokens_file import NewToken, add_token, new_secret

KINDS: Final = {
    "quiet": "no attack",
    "header": "one header of 50 MB, again and again",
    "half": "300 half-sent requests, each opened again when it is closed",
    "greedy": "one token that opens sessions, four at once",
}
SPACING: Final = 0.02
SETTLED_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 30.0
MILLI: Final = 1_000
ASK: Final = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


async def measure(plan: BenchPlan) -> Section:
    """Ask for the health all the while; each attack comes from a process of its own."""
    seconds = plan.pick(5.0, 2.0)
    secret, tokens = new_secret(), plan.folder / "tokens.toml"
    add_token(tokens, NewToken("greedy", "greedy@example.com", ("vps:read",)), secret)
    rows: list[list[str]] = []
    async with AsyncExitStack() as stack:
        url = stack.enter_context(databases(plan)).each()["sqlite"]
        there = await stack.enter_async_context(provider(plan.folder))
        env = environment(plan.folder, **there.environ(url), VPSOPS_HTTP_TOKENS_FILE=str(tokens))
        served = await stack.enter_async_context(running(vpsops("mcp", "--http", "127.0.0.1:0"), env))
        port = int((await served.line("mcp: http://127.0.0.1:")).partition("/")[0])
        plain = await stack.enter_async_context(running(module("flood", "plain"), env))
        other = int(await plain.line("plain:"))
        await SystemClock().sleep(SETTLED_SECONDS)
        for kind, words in KINDS.items():
            ours = await _under(kind, port, secret, env, seconds)
            theirs = await _under(kind, other, secret, env, seconds) if kind != "greedy" else []
            rows.append([words, _figures(ours), _figures(theirs) if theirs else "no sessions"])
    return Section(
        "The front door under attack",
        f"`GET /readyz` of `vpsops mcp --http` (tokens, SQLite), on a new connection every {SPACING * MILLI:.0f} ms for"
        f" {seconds:.0f} s while another process attacks it: p50 / p99 / worst in ms, and how many had no answer."
        " Beside it the same against an application of one route that touches no database, on uvicorn and httptools as"
        " they come.",
        [Table(["attack", "vpsops", "uvicorn as it comes"], rows)],
        [
            "Target: p99 ≤ 100 ms under each attack.",
            f"Asking, attacking and all else share the cores: the load average was {os.getloadavg()[0]:.0f}.",
        ],
    )


async def _under(kind: str, port: int, secret: str, env: dict[str, str], seconds: float) -> list[float | None]:
    """Return how long each answer took in seconds, None where none came."""
    clock = SystemClock()
    taken: list[float | None] = []
    async with running(module("flood", kind, str(port), secret), env) as attack:
        await attack.line("flooding")
        end = clock.monotonic() + seconds
        while clock.monotonic() < end:
            begun = clock.monotonic()
            taken.append(clock.monotonic() - begun if await _is_answered(port) else None)
            await clock.sleep(SPACING)
    return taken


async def _is_answered(port: int) -> bool:
    try:
        with anyio.fail_after(PATIENCE_SECONDS):
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(ASK)
                return (await stream.receive()).startswith(b"HTTP/1.1 200")
    except (anyio.BrokenResourceError, anyio.EndOfStream, OSError, TimeoutError):
        return False


def _figures(taken: list[float | None]) -> str:
    answered = [item * MILLI for item in taken if item is not None]
    lost = len(taken) - len(answered)
    figures = " / ".join(f"{item:.1f}" for item in (median(answered), share(answered, 0.99), max(answered)))
    return f"{figures} ({lost} of {len(taken)} without an answer)" if lost else f"{figures} (all {len(taken)} answered)"
