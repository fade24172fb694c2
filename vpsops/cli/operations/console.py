"""The terminal of a request: where results and remarks go, whether a person sits at it, and what they type."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

from vpsops.core.console.layout import PLAIN, Style, is_terminal, style_of

CLEAR_LINE: Final = "\r\x1b[K"
Read = Callable[[str], str]
STOPS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Console:
    """Results go to `out`, all else to `err`; `interactive` says that a person can be asked with `read`.

    `private` says that what is written to `out` is read at this terminal and goes to no pipe or file.
    """

    out: Callable[[str], None]
    err: Callable[[str], None]
    read: Read
    interactive: bool = False
    private: bool = False
    style: Style = PLAIN
    err_style: Style = PLAIN
    lines: list[str] = field(default_factory=list)  # the line that is drawn over, if any

    def print(self, *lines: str) -> None:
        """Write lines of the result."""
        self.erase()
        for line in lines:
            self.out(f"{line}\n")

    def note(self, *lines: str) -> None:
        """Write remarks."""
        self.erase()
        for line in lines:
            self.err(f"{line}\n")

    def draw(self, line: str) -> None:
        """Write a remark over the one that was drawn last; only where a person sees it."""
        if self.interactive:
            self.err(f"{CLEAR_LINE}{line}")
            self.lines[:] = [line]

    def erase(self) -> None:
        """Take the line away that was drawn last."""
        if self.lines:
            self.err(CLEAR_LINE)
            self.lines.clear()

    def ask(self, text: str) -> str:
        """Return what is typed after a question; "" at the end of input. Raises `KeyboardInterrupt` at Ctrl-C."""
        self.erase()
        return self.read(text).strip()


def system_console(environ: Mapping[str, str] | None = None) -> Console:
    """Return the console of this process's standard streams."""
    values = os.environ if environ is None else environ
    interactive = is_terminal(sys.stdin) and is_terminal(sys.stderr)
    private = interactive and is_terminal(sys.stdout)
    return Console(
        _write_out,
        _write_err,
        _read_line,
        interactive=interactive,
        private=private,
        style=style_of(sys.stdout, values),
        err_style=style_of(sys.stderr, values),
    )


def _write_out(text: str) -> None:
    sys.stdout.write(text)


def _write_err(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _read_line(text: str) -> str:
    """Ask on standard error, so that a result can be piped; Ctrl-C ends the question and not the loop behind it."""
    sys.stdout.flush()
    with _interrupting():  # before the question is seen: who sees it may press Ctrl-C
        _write_err(text)
        line = sys.stdin.readline()
    if not line:
        _write_err("\n")
    return line


@contextmanager
def _interrupting() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise `KeyboardInterrupt` here, where an event loop would note them for later."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in STOPS}
    try:
        for number in STOPS:
            signal.signal(number, interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
