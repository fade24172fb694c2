"""Processes to measure: started here, spoken to by lines, read from /proc, ended by their own ids."""

import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

ROOT: Final = Path(__file__).resolve().parents[2]
START_SECONDS: Final = 60.0
END_SECONDS: Final = 8.0
LONGEST_LINE: Final = 1 << 20
TICKS: Final = os.sysconf("SC_CLK_TCK")


class ChildError(Exception):
    """A process did not do what it is there for."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running process and its standard output."""

    process: Process
    out: BufferedByteReceiveStream
    errors: IO[bytes]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    async def line(self, begins: str = "", seconds: float = START_SECONDS) -> str:
        """Return the rest of the next line that begins so; raises `ChildError` when none comes."""
        try:
            with anyio.fail_after(seconds):
                while True:
                    line = (await self.out.receive_until(b"\n", LONGEST_LINE)).decode()
                    if line.startswith(begins):
                        return line.removeprefix(begins).strip()
        except (anyio.IncompleteRead, anyio.EndOfStream, TimeoutError):
            raise ChildError(f"no line {begins!r}: {self.tail()}") from None

    def tail(self) -> str:
        """Return the end of what it wrote to standard error."""
        self.errors.seek(0)
        return self.errors.read()[-2000:].decode(errors="replace")

    async def kill(self) -> None:
        """End it as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


def vpsops(*words: str) -> list[str]:
    """Return the command line of the console script, as installed beside this interpreter."""
    script = Path(sys.executable).with_name("vpsops")
    return [str(script), *words] if script.exists() else [sys.executable, "-m", "vpsops", *words]


def module(name: str, *words: str) -> list[str]:
    """Return the command line of a program of `tests.bench.processes`."""
    return [sys.executable, "-m", f"tests.bench.processes.{name}", *words]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return a process's environment: none of the caller's variables, its state below `folder`."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), **variables}


@asynccontextmanager
async def running(command: Sequence[str], env: Mapping[str, str]) -> AsyncIterator[Child]:
    """Run a process until the block is left, then end it: asked first, killed if it stays."""
    with tempfile.TemporaryFile() as errors:
        process = await anyio.open_process(command, env=dict(env), cwd=ROOT, stderr=errors)
        assert process.stdout is not None
        try:
            yield Child(process, BufferedByteReceiveStream(process.stdout), errors)
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)


async def _end(process: Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(number)
            with anyio.move_on_after(END_SECONDS):
                await process.wait()
    await process.aclose()


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024
