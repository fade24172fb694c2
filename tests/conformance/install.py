"""Installs the suites and their Node from the lock beside this file, once for each lock."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.harness.patience import PATIENCE_SECONDS

HERE: Final = Path(__file__).parent
CACHE: Final = HERE.parents[1] / "build" / "conformance"
FILES: Final = ("package.json", "package-lock.json")
NPM_SECONDS: Final = 120.0
OLDEST_NODE: Final = (22, 19)


class MissingToolError(Exception):
    """Something that must be there before the suites can be installed."""


def installed(cache: Path = CACHE) -> Path:
    """Return the directory with the suites, installed first where missing; raises `MissingToolError`."""
    key = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    place = cache / key
    if (place / ".ready").exists():
        return place
    npm = shutil.which("npm")
    if npm is None:
        raise MissingToolError("npm is needed to install the conformance suites")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name in FILES:
        shutil.copy(HERE / name, place / name)
    ended = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=NPM_SECONDS,
        check=False,
    )
    if ended.returncode:
        raise MissingToolError(f"npm could not install the conformance suites:\n{ended.stderr[-2000:]}")
    (place / ".ready").touch()
    return place


def node_of(place: Path) -> str:
    """Return a Node that is new enough: the locked one, or where there is none for this machine, its own."""
    result = [item for item in place.glob("node_modules/node-*/bin/node") if os.access(item, os.X_OK)]
    if result:
        return str(result[0])
    own = shutil.which("node")
    if own is None:
        raise MissingToolError(f"Node {OLDEST_NODE[0]}.{OLDEST_NODE[1]} or newer is needed")
    stdout = subprocess.run(
        [own, "--version"], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
    ).stdout
    if tuple(int(part) for part in stdout.strip().lstrip("v").split(".")[:2]) < OLDEST_NODE:
        raise MissingToolError(f"Node {OLDEST_NODE[0]}.{OLDEST_NODE[1]} or newer is needed, this is {stdout.strip()}")
    return own
