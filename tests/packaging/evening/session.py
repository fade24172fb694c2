"""One evening: the machine, what is outside of it, and the transcript; plays blocks of the documentation."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tests.harness.patience import eventually
from tests.packaging.evening.machine import HOME, CommandError, Machine
from tests.packaging.evening.outside import Outside
from tests.packaging.evening.pages import Block
from tests.packaging.evening.transcript import EveningTranscript

STANDARD_INPUT = "/dev/stdin"
T = TypeVar("T")


@dataclass(slots=True)
class Evening:
    """What the acts use."""

    machine: Machine
    outside: Outside
    transcript: EveningTranscript = field(default_factory=EveningTranscript)
    folder: str = HOME

    def begin_act(self, title: str, *blocks: Block) -> None:
        """Begin an act of blocks of the documentation."""
        places = dict.fromkeys((block.heading, block.page.removeprefix("docs/")) for block in blocks)
        links = [f"[{heading.lower()}]({page}#{anchor_of(heading)})" for heading, page in places]
        self.transcript.begin_act(title, f"By {', '.join(links)}.")

    def play(
        self,
        commands: Iterable[str],
        *inputs: str,
        shows: Mapping[str, Sequence[str]] | None = None,
        codes: Mapping[str, int] | None = None,
        replace: Mapping[str, str] | None = None,
    ) -> None:
        """Run commands in order.

        Those that read standard input take the inputs in turn. `shows` has, by the beginning of a command, patterns
        that its output must have; `codes` an exit code other than 0. Raises `CommandError`.
        """
        remaining = list(inputs)
        for documented in commands:
            command = documented
            for old, new in (replace or {}).items():
                command = command.replace(old, new)
            stdin = remaining.pop(0) if STANDARD_INPUT in command else ""
            self.run(command, stdin=stdin, shows=_of(command, shows, ()), code=_of(command, codes, 0))
        assert remaining == [], "an input is left: the page has fewer commands that read one"

    def run(self, command: str, *, stdin: str = "", shows: Sequence[str] = (), code: int = 0) -> str:
        """Run a command, and return its output. Raises `CommandError` where it is not what it should be."""
        done = self.machine.run(command, stdin=stdin, folder=self.folder)
        if done.code != code:
            raise CommandError(f"# {command}\n{done.text}\nended with {done.code}, not {code}")
        self.transcript.add_command(command, done.text, [excerpt_of(done.text, pattern) for pattern in shows])
        return done.text

    def journal(self, unit: str) -> str:
        """Return what a unit logged."""
        return self.machine.run(f"journalctl --no-pager --output=cat --unit={unit}").text

    async def wait_for_log(self, unit: str, words: str, times: int = 1) -> None:
        """Wait until a unit logged some words so often."""
        await eventually(lambda: self.journal(unit).count(words) >= times)

    def process_ids(self) -> str:
        """Return the main processes of both services, and how often systemd started them again."""
        shown = "systemctl show --property=MainPID,NRestarts vpsops.service vpsops-worker.service"
        return self.machine.run(shown).text


def anchor_of(heading: str) -> str:
    """Return what a link to a heading ends in."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def excerpt_of(text: str, pattern: str) -> str:
    """Return what a pattern matches in a text, within a line. Raises `CommandError` where it matches nothing."""
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise CommandError(f"no line has {pattern!r}:\n{text}")
    return match[0]


def _of(command: str, table: Mapping[str, T] | None, default: T) -> T:
    for beginning, value in (table or {}).items():
        if command.startswith(beginning):
            return value
    return default
