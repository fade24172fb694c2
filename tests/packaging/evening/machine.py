"""A Debian with systemd as its first process: systemd-nspawn on a root of our own, in the network of the evening."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fakes.screen import Screen
from tests.harness.patience import PATIENCE_SECONDS

NAME: Final = "vpsops-evening"
LIBRARIES: Final = "/srv/libraries"
HOME: Final = "/root/vpsops"
FIVE_MINUTES: Final = 5 * PATIENCE_SECONDS
ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": LIBRARIES,
    "PIP_ROOT_USER_ACTION": "ignore",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
"""The evening has no network: pip takes the libraries, by the hashes of the locks, from a folder."""
ENTER: Final = ("--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd")


class CommandError(AssertionError):
    """A command ended with another exit code than it should."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command printed, on both streams, and its exit code."""

    code: int
    text: str


class Machine:
    """A running machine."""

    def __init__(self, root: Path, leader: int) -> None:
        self.root = root
        self._enter = ("nsenter", f"--target={leader}", *ENTER)

    def run(self, command: str, *, stdin: str = "", folder: str = HOME) -> CommandResult:
        """Run a line of shell as root in a folder of the machine."""
        done = subprocess.run(
            [*self._enter, "sh", "-c", f"cd {folder} && {command}"],
            input=stdin,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=FIVE_MINUTES,
        )
        return CommandResult(done.returncode, done.stdout)

    def at_terminal(self, command: str) -> Screen:
        """Run a line of shell as a person at a terminal."""
        return Screen(ENVIRONMENT, "-c", command, program=(*self._enter, "sh"))

    def files(self) -> set[str]:
        """Return the paths of what is on the disk."""
        return {path.relative_to(self.root).as_posix() for path in self.root.rglob("*")}


def unpack(archive: Path, root: Path) -> None:
    """Make a clean root file system in an empty folder."""
    root.mkdir()
    subprocess.run(["tar", "--extract", f"--directory={root}", f"--file={archive}"], check=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost evening\n", encoding="utf-8")
    (root / "etc/hostname").write_text("evening\n", encoding="utf-8")


class BootSignals:
    """Receives what systemd-nspawn says of the machine (sd_notify(3)).

    It reads to the end: systemd waits for a reader of what it sends, and does nothing else meanwhile.
    """

    def __init__(self, address: Path) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(address))
        self._known: dict[str, str] = {}
        self._ready = threading.Event()
        threading.Thread(target=self._receive, daemon=True).start()

    def leader(self) -> int:
        """Wait until systemd says that everything is started, and return its process's id."""
        assert self._ready.wait(PATIENCE_SECONDS), f"the machine did not start: {self._known}"
        return int(self._known["X_NSPAWN_LEADER_PID"])

    def _receive(self) -> None:
        while True:
            message = self._sock.recv(10_000).decode()
            self._known |= dict(line.split("=", 1) for line in message.splitlines() if "=" in line)
            if self._known.get("READY") == "1":
                self._ready.set()


@contextmanager
def running_machine(root: Path, libraries: Path) -> Iterator[Machine]:
    """Boot a root file system; yields once systemd says that everything is started. Ends it in good order."""
    address = root.parent / "notify"
    signals = BootSignals(address)
    with (root.parent / "console.log").open("wb") as log:
        process = subprocess.Popen(
            _boot_words(root, libraries),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "NOTIFY_SOCKET": str(address)},
        )
    try:
        yield Machine(root, signals.leader())
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _boot_words(root: Path, libraries: Path) -> list[str]:
    words = ["systemd-nspawn", "--quiet", f"--directory={root}", f"--machine={NAME}", "--hostname=evening", "--boot"]
    words += ["--register=no", "--keep-unit", "--settings=no", "--notify-ready=yes", "--console=pipe"]
    words += ["--link-journal=no", "--resolv-conf=off", "--timezone=off", f"--bind-ro={libraries}:{LIBRARIES}"]
    return words


def missing_tools(programs: Mapping[str, str]) -> list[str]:
    """Return the Debian packages of the programs that are not there."""
    return sorted({package for program, package in programs.items() if shutil.which(program) is None})
