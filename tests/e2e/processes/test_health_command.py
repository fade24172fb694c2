"""`--health` and `vpsops health`, as whole processes: what a container's probe sees."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from anyio.abc import Process

from tests.fakes.storage.databases import migrated
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.cli import health
from vpsops.core.server import readiness

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
REPOSITORY = Path(__file__).parents[3]


def environment(folder: Path) -> dict[str, str]:
    """The settings of a worker that has nothing to do."""
    return {
        "PATH": "/usr/bin:/bin",
        "XDG_STATE_HOME": str(folder),
        "WAYSCLOUD_API_KEY": "wayscloud_vps_test1_SECRET",
        "WAYSCLOUD_API_URL": "http://127.0.0.1:9",
        "VPSOPS_DATABASE_URL": migrated(folder / "v.sqlite3"),
        "VPSOPS_LOG_FORMAT": "json",
        "PYTHONUNBUFFERED": "1",
    }


async def called(environ: Mapping[str, str], *words: str) -> tuple[int, str]:
    """Run a subcommand to its end; return its exit code and its output."""
    command = [sys.executable, "-m", "vpsops", *words]
    done = await anyio.run_process(command, check=False, env=environ, cwd=REPOSITORY, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode()


async def address_of(process: Process) -> str:
    """Return the address at which a process reports that it serves its health."""
    text = ""
    assert process.stderr is not None
    with anyio.fail_after(PATIENCE_SECONDS):
        async for chunk in process.stderr:
            text += chunk.decode()
            for line in text.splitlines():
                if "serving_health" in line:
                    return str(json.loads(line)["address"])
    raise AssertionError(text)


async def test_a_worker_is_probed_from_its_start_to_its_end(tmp_path: Path) -> None:
    """Ready; red once its file is gone, and then for good; no answer once it has ended."""
    environ = environment(tmp_path)
    command = [sys.executable, "-m", "vpsops", "worker", "--health", "127.0.0.1:0"]
    async with await anyio.open_process(command, env=environ, cwd=REPOSITORY) as process:
        address = await address_of(process)
        assert await called(environ, "health", address) == (0, "ready\n")
        assert await called(environ, "health", f"{address}/livez") == (0, "ready\n")
        for name in ("v.sqlite3", "v.sqlite3-wal", "v.sqlite3-shm"):
            await anyio.Path(tmp_path / name).unlink()
        for path in ("", "/livez", "/healthz"):
            code, output = await called(environ, "health", f"{address}{path}")
            assert (code, output.split(":")[0]) == (1, "database")
        process.terminate()
        with anyio.fail_after(PATIENCE_SECONDS):
            assert await process.wait() == 0
    code, output = await called(environ, "health", address)
    assert (code, output) == (1, f"no answer from {address}/readyz: Connection refused\n")


@pytest.mark.requirement("service-notified")
async def test_a_worker_notifies_its_service_manager(tmp_path: Path) -> None:
    """Ready once it serves its health, and stopping at its end, so that its unit waits for it and notices a hang."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(PATIENCE_SECONDS)
        environ = {**environment(tmp_path), "NOTIFY_SOCKET": str(tmp_path / "n")}
        command = [sys.executable, "-m", "vpsops", "worker"]
        async with await anyio.open_process(command, env=environ, cwd=REPOSITORY) as process:
            assert await anyio.to_thread.run_sync(manager.recv, 4096) == b"READY=1"
            process.terminate()
            with anyio.fail_after(PATIENCE_SECONDS):
                assert await process.wait() == 0
        assert manager.recv(4096) == b"STOPPING=1"


@pytest.mark.parametrize(
    ("words", "code", "output"),
    [
        (("worker", "--health", "nowhere"), 2, "--health nowhere is not HOST:PORT."),
        (("worker", "--health", "203.0.113.1:80"), 2, "cannot be listened on"),
        (("health", "ftp://x"), 2, "no address of a process"),
    ],
)
async def test_a_wrong_address_is_told_with_what_to_write(
    tmp_path: Path, words: tuple[str, ...], code: int, output: str
) -> None:
    """Before anything is started."""
    result, text = await called(environment(tmp_path), *words)
    assert (result, output in text) == (code, True), text


async def test_another_server_is_not_a_ready_process() -> None:
    """Whatever it answers."""

    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no Django here
        code, output = await called({"PATH": "/usr/bin:/bin"}, "health", f"127.0.0.1:{port}")
        group.cancel_scope.cancel()
    assert (code, output) == (1, "it does not answer as vpsops does\n")


def test_a_probe_waits_longer_than_an_answer_takes() -> None:
    """Its default time limit is one that a red answer keeps."""
    assert readiness.ANSWER_SECONDS * 2 < 5.0
    assert health.DEFAULT.endswith("/readyz")
