"""Reads unit files of systemd as far as the tests need: repeated keys, drop-ins, and the environment they make."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.harness.repository import ROOT

UNITS: Final = ROOT / "packaging" / "systemd"
SERVICE: Final = UNITS / "vpsops.service"
SHIP_SERVICE: Final = UNITS / "vpsops-audit-ship.service"
WORKER_SERVICE: Final = UNITS / "vpsops-worker.service"
ADMIN: Final = UNITS / "vpsops-admin"
SOCKET: Final = UNITS / "vpsops.socket"
DROP_INS: Final = tuple(sorted((UNITS / "vpsops.service.d").iterdir()))
PROGRAM: Final = "/opt/vpsops/bin/vpsops"
ENTRY: Final = re.compile(r"^([A-Za-z]+)=(.*)$", re.MULTILINE)


def values(key: str, *files: Path) -> list[str]:
    """Return what files say for a key, in their order."""
    return [value for file in files for name, value in ENTRY.findall(file.read_text(encoding="utf-8")) if name == key]


def value(key: str, file: Path) -> str:
    """Return the one value of a key."""
    (only,) = values(key, file)
    return only


def environment(credentials: Path, *files: Path) -> dict[str, str]:
    """Return the variables that the units give the process: %d is the folder of credentials."""
    words = [word for text in values("Environment", *files) for word in text.split()]
    pairs = dict(word.replace("%d", str(credentials)).split("=", 1) for word in words)
    for name in values("UnsetEnvironment", *files):
        pairs.pop(name, None)
    return pairs


def credential_names(*files: Path) -> list[str]:
    """Return the names of the credentials that the units load; an empty entry takes back those before it."""
    entries = values("LoadCredential", *files)
    begin = max((index + 1 for index, text in enumerate(entries) if not text), default=0)
    return list(dict.fromkeys(text.split(":")[0] for text in entries[begin:]))


def program_words(file: Path, keys: Sequence[str]) -> list[list[str]]:
    """Return the words of each command of the product that a unit starts."""
    lines = [line for key in keys for line in values(key, file)]
    return [line.split()[1:] for line in lines if line.startswith(f"{PROGRAM} ")]
