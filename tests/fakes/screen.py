"""A command line at a terminal of its own, as a person sits at it."""

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.harness.patience import PATIENCE_SECONDS

VPSOPS: Final = (sys.executable, "-m", "vpsops")


def _take_terminal() -> None:
    """Make standard input the process's own terminal: /dev/tty is then not the one of the person who runs the tests."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Screen:
    """A process at a terminal of its own."""

    def __init__(
        self, env: Mapping[str, str], *words: str, program: Sequence[str] = VPSOPS, folder: Path | None = None
    ) -> None:
        self.text = ""
        self._passed = 0
        self._file, inner = pty.openpty()
        self.process = subprocess.Popen(
            [*program, *words],
            env=dict(env),
            cwd=folder,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - one system call
        )
        os.close(inner)

    def wait_for_next(self, words: str) -> None:
        """Read until some words are there once more, behind those that were waited for before."""
        end = time.monotonic() + PATIENCE_SECONDS
        while words not in self.text[self._passed :]:
            assert time.monotonic() < end, self.text
            assert self._has_read(), self.text
        self._passed = self.text.index(words, self._passed) + len(words)

    def wait_for(self, words: str) -> None:
        """Read until some words are there."""
        end = time.monotonic() + PATIENCE_SECONDS
        while words not in self.text:
            assert time.monotonic() < end, self.text
            assert self._has_read(), self.text

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._file, keys.encode())

    def end(self) -> int:
        """Read to the end, and return the exit code; ends a process that stays."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self._has_read():
            if time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"the process did not end; it wrote:\n{self.text}")
        os.close(self._file)
        return self.process.wait(PATIENCE_SECONDS)

    def _has_read(self) -> bool:
        select.select([self._file], [], [], 1.0)
        try:
            data = os.read(self._file, 65_536) if select.select([self._file], [], [], 0)[0] else b" "
        except OSError:  # the other end is closed
            return False
        self.text += data.decode(errors="replace")
        return bool(data)
