"""The process's own terminal: what a signal does to a question."""

import asyncio
import io
import os
import signal
import sys

import pytest

from vpsops.cli.operations.console import STOPS, system_console


class PressedAt(io.StringIO):
    """A standard error at which a signal arrives in the moment in which a text can be read."""

    def __init__(self, text: str, number: signal.Signals) -> None:
        super().__init__()
        self._text = text
        self._number = number

    def flush(self) -> None:
        if self.getvalue().endswith(self._text):
            os.kill(os.getpid(), self._number)


def ignore() -> None:
    """Note a signal as an event loop does."""


class NeverRead(io.StringIO):
    """A standard input that no one types at."""

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]  # typeshed's is that of a file of bytes
        raise AssertionError(f"the question waited for a line of {size}")


@pytest.mark.real_time
@pytest.mark.requirement("terminal-interrupted")
@pytest.mark.parametrize("number", STOPS)
def test_a_signal_ends_a_question_as_soon_as_it_can_be_read(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """An event loop that notes the signal for later would leave the person before a question that does not end."""

    async def ask() -> None:
        asyncio.get_running_loop().add_signal_handler(number, ignore)
        handler = signal.getsignal(number)
        with pytest.raises(KeyboardInterrupt):
            system_console().ask("Stop web01? [y/N] ")
        assert signal.getsignal(number) is handler

    monkeypatch.setattr(sys, "stderr", PressedAt("[y/N] ", number))
    monkeypatch.setattr(sys, "stdin", NeverRead())
    asyncio.run(ask())
