"""A service as a process, and `vpsops mcp` beside it as a host starts it, as another user where that is wanted."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import pytest
from anyio import to_thread

from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.repository import ROOT

KEY: Final = "wayscloud_vps_test1_SECRET"
HELLO: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "raw", "version": "1"},
    },
}
ANN_UID: Final = 54_001
BOB_UID: Final = 54_002
CONFIG: Final = f"""
[mcp.socket]
mode = "0666"

[mcp.socket.users]
{ANN_UID} = "ann@example.com"

[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "power"
operation = ["reboot", "start"]
decision = "confirm"

[[rule]]
id = "no-stop"
operation = "stop"
decision = "deny"
reason = "The service's own rule."
"""
READY: Final = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def is_root() -> bool:
    """Return whether this process can start others as other users."""
    return os.geteuid() == 0


needs_root: Final = pytest.mark.skipif(not is_root(), reason="only root can start a process as another user")


async def in_thread(work: Callable[[], object]) -> None:
    """Run blocking work beside the simulator, which lives on the loop."""
    await to_thread.run_sync(work)


@dataclass
class ServiceFolder:
    """Where a service has its things: `state` is its own, `run` is where others find the socket."""

    base: Path
    environ: dict[str, str] = field(default_factory=dict)
    http: str = "127.0.0.1:0"

    @property
    def state(self) -> Path:
        """The folder that no other user reads."""
        return self.base / "state"

    @property
    def socket(self) -> str:
        """The path of the socket."""
        return str(self.base / "run" / "mcp.sock")

    @contextmanager
    def serving(self) -> Iterator["subprocess.Popen[str]"]:
        """Run `vpsops serve --socket` until the block ends, by SIGTERM unless it has ended."""
        command = (sys.executable, "-m", "vpsops", "serve", "--http", self.http, "--socket", self.socket)
        with (
            (self.base / "service.log").open("a") as log,
            subprocess.Popen(command, env=self.environ, stdout=subprocess.PIPE, stderr=log, text=True) as process,
        ):
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == f"socket: {self.socket}\n", (self.base / "service.log").read_text()
            try:
                yield process
            finally:
                process.terminate()
                process.wait(PATIENCE_SECONDS)


@contextmanager
def service_folder(provider: str, config: str) -> Iterator[ServiceFolder]:
    """Make a service's folders, with its configuration and its key in files; a path has 107 bytes at most."""
    with tempfile.TemporaryDirectory() as name:
        folder = ServiceFolder(Path(name))
        folder.base.chmod(0o755)
        folder.state.mkdir(mode=0o700)
        (folder.base / "run").mkdir(mode=0o755)
        key, toml = folder.state / "key", folder.state / "vpsops.toml"
        key.write_text(KEY)
        toml.write_text(config)
        folder.environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder.state),
            "VPSOPS_CONFIG": str(toml),
            "WAYSCLOUD_API_KEY_FILE": str(key),
            "WAYSCLOUD_API_URL": provider,
            "VPSOPS_DATABASE_URL": f"sqlite:///{folder.state}/vpsops.sqlite3",
        }
        yield folder


def interpreter_for(uid: int) -> str | None:
    """Return a Python that a user can run with this package, or None."""
    base = Path(sys.executable).resolve()
    for python in dict.fromkeys((sys.executable, str(base), "/usr/bin/python3")):
        with suppress(OSError):
            env = {"PYTHONPATH": str(ROOT)}
            command = [python, "-c", "import sys, vpsops.cli.main; sys.exit(sys.version_info < (3, 11))"]
            if subprocess.run(command, env=env, capture_output=True, check=False, **as_user(uid)).returncode == 0:
                return python
    return None


def as_user(uid: int) -> dict[str, Any]:
    """Return what has a process run as a user with no groups but its own."""
    return {"user": uid, "group": uid, "extra_groups": [], "cwd": "/"}


class PipeProcess:
    """`vpsops mcp` as a host has it."""

    def __init__(self, environ: Mapping[str, str], words: Sequence[str] = (), uid: int | None = None) -> None:
        python = sys.executable if uid is None else interpreter_for(uid)
        assert python is not None
        self.process = subprocess.Popen(
            [python, "-m", "vpsops", "mcp", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environ},
            **({} if uid is None else as_user(uid)),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def send(self, *messages: object) -> None:
        """Send messages."""
        assert self.process.stdin is not None
        for message in messages:
            self.process.stdin.write((json.dumps(message) + "\n").encode())
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """Return the next message."""
        assert self.process.stdout is not None
        message: dict[str, Any] = json.loads(self.process.stdout.readline())
        return message

    def until(self, **wanted: object) -> dict[str, Any]:
        """Return the next message with these members."""
        while True:
            message = self.read()
            if all(message.get(name) == value for name, value in wanted.items()):
                return message

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its answer."""
        self.send(message)
        return self.until(id=message["id"])

    def hello(self) -> None:
        """Shake hands."""
        assert "result" in self.ask(HELLO)
        self.send(READY)

    def end(self) -> int:
        """Close the input, and return the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(PATIENCE_SECONDS)

    def memory_kib(self) -> int:
        """Return the most memory that it has had."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def call(tool: str, ident: int, **arguments: object) -> dict[str, Any]:
    """Return a call of a tool."""
    return {"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def yes(question: dict[str, Any]) -> dict[str, Any]:
    """Return the answer that agrees to a question."""
    return {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"confirm": True}}}
