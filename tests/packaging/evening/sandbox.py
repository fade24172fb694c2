"""Runs the evening in namespaces of its own: its processes, mounts and addresses end with it, whatever happens."""

import errno
import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import anyio

from tests.harness.patience import eventually

MOUNTED: Final = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/systemd"))
"""Where the hierarchies of systemd are: version 2 alone, or both."""
NAMESPACES: Final = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
GET_FLAGS, SET_FLAGS, UP = 0x8913, 0x8914, 0x1


def run_apart(words: Sequence[str]) -> int:
    """Run a module of ours in namespaces and control groups of its own; return its exit code."""
    with control_groups() as groups:
        names = ",".join(map(str, groups))
        command = ["unshare", *NAMESPACES, sys.executable, *words, "--groups", names]
        return subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode


@contextmanager
def control_groups() -> Iterator[list[Path]]:
    """Make a control group in each hierarchy, and remove it with all that was made in it."""
    there = [path for path in MOUNTED if (path / "cgroup.procs").exists()]
    groups = [_own_place(path) / f"vpsops-evening-{os.getpid()}" for path in there]
    try:
        for group in groups:
            group.mkdir()
        yield groups
    finally:
        anyio.run(eventually, lambda: all(_is_removed(group) for group in groups))


def _is_removed(group: Path) -> bool:
    """Remove a group and those in it; False where a process in one has not ended yet."""
    for folder, _, _ in os.walk(group, topdown=False):
        try:
            Path(folder).rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
    return True


def enter_control_groups(groups: Sequence[Path]) -> None:
    """Move this process into control groups, before it starts any other."""
    for group in groups:
        (group / "cgroup.procs").write_text("0", encoding="utf-8")


def start_loopback() -> None:
    """Give the new network its 127.0.0.1."""
    with socket.socket() as sock:
        asked = fcntl.ioctl(sock, GET_FLAGS, struct.pack("16sH14x", b"lo", 0))
        (flags,) = struct.unpack("16xH14x", asked)
        fcntl.ioctl(sock, SET_FLAGS, struct.pack("16sH14x", b"lo", flags | UP))


def hide_host_state() -> None:
    """Have systemd-nspawn keep its locks and folders in memory that goes with the namespace."""
    folder = Path("/run/systemd/nspawn")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], check=True)


def _own_place(mounted: Path) -> Path:
    """Return where in a hierarchy this process is."""
    version_2 = (mounted / "cgroup.controllers").exists()
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == ("" if version_2 else "name=systemd"):
            return mounted / path.lstrip("/")
    return mounted
