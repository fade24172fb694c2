"""A terminal of a test: what is typed into it, what it shows, and commands that run in the test's own loop."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio

from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from vpsops.cli import main
from vpsops.cli.break_glass import override
from vpsops.cli.ends import keep
from vpsops.cli.grants import request
from vpsops.cli.operations import cancel, commands, follow, report
from vpsops.cli.operations.commands import Surroundings
from vpsops.cli.operations.console import Console
from vpsops.cli.runbooks.command import run_runbook
from vpsops.core.common.clock import Clock
from vpsops.core.common.timings import Timing
from vpsops.core.config.settings import Settings
from vpsops.core.console.layout import PLAIN, Style
from vpsops.core.identity.accounts import AccountDirectory

WORKS = {
    "follow": follow.follow_change,
    "cancel": cancel.cancel_change,
    "override": override.override_change,
    "grant": request.ask_grant,
}


@dataclass
class FakeTerminal:
    """One terminal; `person` says whether someone sits at it."""

    settings: Settings
    typed: tuple[str, ...] = ()
    person: bool = True
    private: bool = True
    style: Style = PLAIN
    timing: Timing = QUICK
    accounts: AccountDirectory | None = EVERYBODY
    clock: Clock = field(default_factory=VirtualClock)
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    stop: anyio.Event = field(default_factory=anyio.Event)
    on_note: Callable[[str], None] = lambda _: None

    @property
    def shown(self) -> str:
        """Everything on both streams."""
        return "".join((*self.out, *self.err))

    @property
    def result(self) -> str:
        """Standard output alone."""
        return "".join(self.out)

    @property
    def document(self) -> dict[str, Any]:
        """Standard output as one JSON document."""
        document: dict[str, Any] = json.loads(self.result)
        return document

    async def run(self, *words: str) -> int:
        """Run a command line and return its exit code; raises what the command raises."""
        for lines in (self.out, self.err, self.asked):
            lines.clear()
        arguments = main.parsed(main.parser_of(words), words)
        if words[0] in WORKS:
            work = WORKS[words[0]]
            return await commands.work_on_change(
                self.settings, arguments, lambda session: work(arguments, session), self._around()
            )
        if words[0] == "runbook":
            return await commands.work_on_change(
                self.settings, arguments, partial(run_runbook, arguments), self._around()
            )
        if words[0] == "keep":
            named = [arguments.server, "".join(arguments.lifetime)]
            return await keep.keep_server(self.settings, named, arguments.because, self._around())
        if words[0] == "report":
            return await report.execute(self.settings, arguments, self._around())
        return await commands.execute(self.settings, arguments, self._around())

    def _around(self) -> Surroundings:
        answers = iter(self.typed)

        def read(text: str) -> str:
            self.asked.append(text)
            answer = next(answers, "")
            if answer == "^C":
                raise KeyboardInterrupt
            return answer

        console = Console(
            self.out.append,
            self._note,
            read,
            interactive=self.person,
            private=self.person and self.private,
            style=self.style,
            err_style=self.style,
        )
        return Surroundings(console, self.clock, self.accounts, self.timing, self.stop)

    def _note(self, text: str) -> None:
        self.err.append(text)
        self.on_note(text)
