"""A Python that only Debian's unstable suite has: its packages in a folder of their own, whose programs chroot runs.

It needs mmdebstrap and root. Signatures are checked; that a suite's list is not out of date is not, as mirrors of
packages may keep one state for weeks.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.packaging.wheel import ROOT

SUITE: Final = "sid"
OPTIONS: Final = ("--quiet", "--variant=minbase", '--aptopt=Acquire::Check-Valid-Until "false"')
WHEELS: Final = "wheels"


def make_root(version: str, folder: Path) -> str:
    """Make the folder; return why there is none, or ""."""
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        return "it needs root and mmdebstrap"
    command = ["mmdebstrap", *OPTIONS, f"--include=python{version}-venv,ca-certificates", SUITE, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"Debian {SUITE}: {done.stderr.strip()[-200:]}" if done.returncode else ""


def root_failures(
    version: str, wheels: Sequence[Path], folder: Path, commands: Sequence[Sequence[str]]
) -> Iterator[str]:
    """Install what run.txt locks and the wheels into an environment there, and yield what does not run in it."""
    lock = ROOT / "requirements/run.txt"
    brought = folder / WHEELS
    pip = ("-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps")
    where = ("--only-binary=:all:", "--python-version", version, "--dest", str(brought), "--requirement", str(lock))
    subprocess.run([sys.executable, *pip, *where], check=True)
    for path in (lock, *wheels):
        shutil.copy(path, brought)
    own = " ".join(f"/{WHEELS}/{path.name}" for path in wheels)
    install = f"/env/bin/pip install --quiet --no-compile --no-index --find-links /{WHEELS}"
    steps = (
        f"python{version} -m venv /env",
        f"{install} --require-hashes --requirement /{WHEELS}/{lock.name}",
        f"{install} --no-deps {own}",
        "/env/bin/python -m pip check",
        *(f"cd /tmp && HOME=/tmp /env/bin/python -m vpsops {' '.join(command)}" for command in commands),
    )
    for step in steps:
        done = subprocess.run(["chroot", str(folder), "sh", "-c", step], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            yield f"{step}: {(done.stderr or done.stdout)[-2000:]}"
