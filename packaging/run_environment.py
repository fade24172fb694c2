"""Make a virtual environment of what running needs, every package by its hash; says from the start how far it is.

`python packaging/run_environment.py FOLDER`, in a checkout. It uses the standard library alone, as nothing is
installed when it runs.
"""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
PACKAGE_BEGINNINGS = ("Collecting ", "Processing ", "Requirement already satisfied: ")
TICK_SECONDS = 1.0
LINES_SHOWN = 12


class StepDisplay:
    """One step: its name at once; at a terminal its seconds as they pass, elsewhere only those at its end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._begun = time.monotonic()
        self._is_live = sys.stdout.isatty()
        sys.stdout.write(f"{name} …" if self._is_live else f"{name}\n")
        sys.stdout.flush()

    def show(self, detail: str) -> None:
        """Show how far it is, where a person sees it."""
        if self._is_live:
            self._draw(detail)

    def end(self, detail: str = "") -> None:
        """Show that it is done, and how long it took."""
        if self._is_live:
            self._draw(detail)
            sys.stdout.write("\n")
        else:
            sys.stdout.write(f"  done in {self._seconds():.0f} s{', ' if detail else ''}{detail}\n")
        sys.stdout.flush()

    def _draw(self, detail: str) -> None:
        sys.stdout.write(f"\r\x1b[K{self._name} … {self._seconds():.0f} s  {detail}")
        sys.stdout.flush()

    def _seconds(self) -> float:
        return time.monotonic() - self._begun


@dataclass(frozen=True)
class InstallStep:
    """A step's name, its commands, and the variables that they get beside the caller's."""

    name: str
    commands: Sequence[Sequence[str]]
    variables: Mapping[str, str] = field(default_factory=dict)


def steps(folder: Path) -> list[InstallStep]:
    """Return what makes an environment: the interpreter, the packages by their hashes, vpsops as it stands here."""
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-compile"]
    locked = [*pip, "--progress-bar", "off", "--require-hashes", "--requirement"]
    backend = str(folder / "backend")  # what builds vpsops stays out of the environment
    return [
        InstallStep("1/3 Python environment", [[sys.executable, "-m", "venv", "--clear", str(folder)]]),
        InstallStep("2/3 packages, each by its hash", [[*locked, str(REQUIREMENTS / "run.txt")]]),
        InstallStep(
            "3/3 vpsops",
            [
                [*locked, str(REQUIREMENTS / "build.txt"), "--target", backend],
                [*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)],
            ],
            {"PYTHONPATH": backend},
        ),
    ]


def main(words: Sequence[str]) -> int:
    """Make the environment; return 1, with the end of what a step wrote, where a step failed."""
    if sys.version_info < OLDEST:
        sys.stderr.write("Python 3.11 or newer is needed.\n")
        return 1
    return 0 if all(_succeeds(step) for step in steps(Path(words[0]).resolve())) else 1


def _succeeds(step: InstallStep) -> bool:
    progress = StepDisplay(step.name)
    packages: set[str] = set()
    for command in step.commands:
        lines, code = _run(command, step.variables, progress, packages)
        if code:
            progress.end("failed")
            sys.stderr.write("".join(lines[-LINES_SHOWN:]))
            return False
    progress.end(_detail(packages))
    return True


def _run(
    command: Sequence[str], variables: Mapping[str, str], progress: StepDisplay, packages: set[str]
) -> tuple[list[str], int]:
    """Run a command, and show how many packages it has come to; return what it wrote, and its exit code."""
    lines: list[str] = []
    environment = {**os.environ, **variables}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        for line in _lines(process):
            lines += [line] if line else []
            if line.startswith(PACKAGE_BEGINNINGS):
                packages.add(line.split(" (from")[0])
            progress.show(_detail(packages))
    return lines, process.returncode


def _detail(packages: set[str]) -> str:
    return f"{len(packages)} package{'s' if len(packages) > 1 else ''}" if packages else ""


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """Return what a process writes, and an empty text for each second without a line."""
    written: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in process.stdout or ():
            written.put(line)
        written.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = written.get(timeout=TICK_SECONDS)
        except queue.Empty:
            line = ""
        if line is None:
            return
        yield line


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
