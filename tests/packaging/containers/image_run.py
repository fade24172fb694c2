"""Runs the image as the manifests do, and checks what it says, what it may not, and how it ends."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.request import Request, urlopen

from tests.harness.patience import PATIENCE_SECONDS

NAME: Final = "vpsops-image-check"
USER: Final = "10001"
ADDRESS: Final = "127.0.0.1:3000"
CONFINED: Final = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")
LIMITS: Final = ("--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096")
PODMAN: Final = ("podman", "--runtime", "runc")
HELLO: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}


def check_image(image: str) -> None:
    """Raise `AssertionError` where the image is not what the manifests expect."""
    with serving(image) as first_line:
        assert first_line == f"mcp: http://{ADDRESS}/mcp", first_line
        assert inside("id", "-u").strip() == USER
        assert not can("touch", "/opt/vpsops/x")
        assert not can("touch", "/x")
        assert can("touch", "/var/lib/vpsops/x")
        subprocess.run(["podman", "healthcheck", "run", NAME], check=True, timeout=PATIENCE_SECONDS)
        assert inside("vpsops", "health", ADDRESS).strip() == "ready"
        assert not can("vpsops", "health", "127.0.0.1:1")
        assert greeted()["serverInfo"]["name"] == "vpsops"
        assert can("sh", "-c", "kill -HUP 1"), "a reload, as the page of containers says it"
        assert can("vpsops", "health", ADDRESS)
        assert "NoNewPrivs:\t1" in inside("cat", "/proc/1/status")


@contextmanager
def serving(image: str) -> Iterator[str]:
    """Run the image and yield its first line; afterwards it ends by SIGTERM, with exit code 0."""
    words = (*PODMAN, "run", "--rm", "--pull=never", f"--name={NAME}", *CONFINED, *LIMITS, image)
    command = [*words, "mcp", "--http", ADDRESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            subprocess.run([*PODMAN, "kill", "--signal=TERM", NAME], check=False, capture_output=True)
            code = process.wait(PATIENCE_SECONDS)
    assert code == 0, f"it ended with {code}"


def inside(*words: str) -> str:
    """Run a command in the container and return what it printed."""
    done = subprocess.run([*PODMAN, "exec", NAME, *words], check=True, capture_output=True, text=True)
    return done.stdout


def can(*words: str) -> bool:
    """Return whether a command succeeds in the container."""
    return subprocess.run([*PODMAN, "exec", NAME, *words], check=False, capture_output=True).returncode == 0


def greeted() -> dict[str, dict[str, str]]:
    """Return what the server answers a client of the handshake's era."""
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    request = Request(f"http://{ADDRESS}/mcp", json.dumps(HELLO).encode(), headers)
    with urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310
        lines = answer.read().decode().splitlines()
    data = next(line.removeprefix("data: ") for line in lines if line.startswith(("data: {", "{")))
    return dict(json.loads(data)["result"])
