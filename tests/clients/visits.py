"""One visit: a server of its own on a simulated provider of its own, driven by a client, and judged by both sides."""

import json
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import httpx

from tests.bench.children import ROOT, ChildError, environment, vpsops
from tests.bench.provider import provider
from tests.clients.install import interpreter_of
from tests.clients.matrix import TriedClient
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.common.clock import SystemClock
from vpsops.mcp_server.http import PATH

DRIVERS: Final = Path(__file__).parent / "drivers"
VISIT_SECONDS: Final = 300.0
SERVER: Final = "web01.example.com"
CONFIRMED: Final = "confirmed in the client"
REFUSED: Final = "This needs a human's confirmation, and this client cannot ask for one. Nothing was done."
ERROR_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class ServedTarget:
    """Where a client finds the server: a command to start, or an address."""

    command: Sequence[str]
    env: Mapping[str, str]
    url: str = ""

    def json(self) -> str:
        """Return it as a driver reads it."""
        return json.dumps({"command": list(self.command), "env": dict(self.env), "url": self.url})


@dataclass(frozen=True, slots=True)
class ClientVisit:
    """What a client saw, and how often the provider was asked to reboot; `problem` is empty where all is well."""

    tools: int = 0
    read: bool = False
    confirmed: bool = False
    refused: bool = False
    reboots: int = 0
    problem: str = ""


async def visit(client: TriedClient, folder: Path, transport: str) -> ClientVisit:
    """Let a client list, read, and ask for a change without and with its human."""
    with tempfile.TemporaryDirectory() as base:
        home = Path(base)
        async with provider(home, speed=60) as there:
            env = environment(home, **there.environ(f"sqlite:///{home / 'clients.sqlite3'}"))
            before = await there.total()
            try:
                with target_for(transport, env) as target:
                    report = await anyio.to_thread.run_sync(_drive, client, folder, target)
            except ChildError as error:
                report = {"problem": str(error)}
            arrived = [request.operation for request in await there.arrived(before)]
    return judge(client, report, arrived.count("reboot"))


@contextmanager
def target_for(transport: str, env: Mapping[str, str]) -> Iterator[ServedTarget]:
    """Serve on one way in for as long as the block runs."""
    if transport == "stdio":
        yield ServedTarget(vpsops("mcp"), env)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    if transport == "http":
        with served(("mcp", "--http", address), env, address):
            yield ServedTarget((), {}, f"http://{address}{PATH}")
        return
    with tempfile.TemporaryDirectory() as folder:  # a socket's path has 107 bytes at most
        path = f"{folder}/mcp.sock"
        with served(("serve", "--socket", path, "--http", address), env, address):
            yield ServedTarget(vpsops("mcp"), pipe_environment(env, path))


def pipe_environment(env: Mapping[str, str], path: str) -> dict[str, str]:
    """Return the environment of an assistant that holds no key and no database: it knows the socket alone."""
    kept = {name: value for name, value in env.items() if not name.startswith(("VPSOPS_", "WAYSCLOUD_"))}
    return {**kept, "VPSOPS_SOCKET": path}


@contextmanager
def served(words: Sequence[str], env: Mapping[str, str], address: str) -> Iterator[None]:
    """Run a server until the block ends; its health is at the address."""
    process = subprocess.Popen(
        vpsops(*words), env=dict(env), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until_served(process, address)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def wait_until_served(process: subprocess.Popen[bytes], address: str) -> None:
    """Wait for a server's first answer; raises `ChildError` when it ends before, or takes too long."""
    clock = SystemClock()
    until = clock.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and clock.monotonic() < until:
        with suppress(httpx.TransportError):
            httpx.get(f"http://{address}/livez", timeout=PATIENCE_SECONDS, trust_env=False)
            return
        threading.Event().wait(0.05)
    raise ChildError(f"nothing is served at {address}")


def _drive(client: TriedClient, folder: Path, target: ServedTarget) -> Mapping[str, Any]:
    driver = str(DRIVERS / client.driver)
    if client.is_node:  # a module finds packages from where it lies
        driver = shutil.copy(driver, str(folder))
    command = [interpreter_of(client, folder), driver, target.json(), *client.words]
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=VISIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return {"problem": f"no end within {VISIT_SECONDS:.0f} s"}
    lines = [line for line in ended.stdout.splitlines() if line.startswith('{"tools"')]
    if not lines:
        return {"problem": (ended.stderr.strip().splitlines() or ["it printed nothing"])[-1][:ERROR_CHARACTERS]}
    report: Mapping[str, Any] = json.loads(lines[-1])
    return report


def judge(client: TriedClient, report: Mapping[str, Any], reboots: int) -> ClientVisit:
    """Return what a visit came to: a human's yes reboots once, and nothing else does."""
    if "problem" in report:
        return ClientVisit(reboots=reboots, problem=str(report["problem"]))
    read, refused = SERVER in report["read"], REFUSED in report["refused"]
    confirmed = CONFIRMED in report["confirmed"] and SERVER in report["confirmed"]
    expected = 1 if client.asks else 0
    wrong = {
        "no tools": not report["tools"],
        "the read lacks the server": not read,
        "the change without a human was not refused in words": not refused,
        "the confirmed change did not run": client.asks and not confirmed,
        f"{reboots} reboots at the provider, not {expected}": reboots != expected,
    }
    problem = "; ".join(text for text, is_so in wrong.items() if is_so)
    return ClientVisit(int(report["tools"]), read, confirmed, refused, reboots, problem)
