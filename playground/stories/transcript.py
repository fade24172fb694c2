"""The transcript of the demonstration: headings, remarks and boxes; plain lines where it goes to no terminal."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from vpsops.core.common.clock import Clock
from vpsops.core.console.layout import Style, clip, pad, text_width, wrapped

WIDEST: Final = 100
INDENT: Final = "   "


@dataclass(slots=True)
class StoryTranscript:
    """Writes lines of at most `WIDEST` columns; colours and frames only where the style has a terminal's width."""

    write: Callable[[str], None]
    style: Style
    clock: Clock
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        self.begun = self.clock.monotonic()

    @property
    def width(self) -> int:
        """Return the columns of a line."""
        return min(self.style.width, WIDEST) if self.style.width else WIDEST

    @property
    def is_framed(self) -> bool:
        """Whether boxes have frames."""
        return self.style.width > 0

    def line(self, text: str = "", colour: str = "") -> None:
        """Write a line; what is too long for it is cut, visibly."""
        self.write(self.style.paint(clip(text, self.width), colour) + "\n")

    def part(self, text: str) -> None:
        """Write a part of a line at once."""
        self.write(text)

    def heading(self, title: str) -> None:
        """Write a heading behind an empty line; times count from here."""
        self.begun = self.clock.monotonic()
        self.line()
        self.line(title, "bold")

    def remark(self, text: str, colour: str = "") -> None:
        """Write an indented line."""
        self.line(INDENT + text, colour)

    def paragraph(self, text: str) -> None:
        """Write an indented text, on more lines where it is too long."""
        for part in wrapped(text, self.width - len(INDENT)):
            self.line(INDENT + part)

    def proof(self, text: str) -> None:
        """Write what was checked, with the seconds since the heading."""
        taken = f"{self.clock.monotonic() - self.begun:.1f} s"
        room = self.width - len(INDENT) - len(taken) - 1
        self.line(f"{INDENT}{pad(clip(f'✓ {text}', room), room)} {taken}", "green")

    def box(self, title: str, lines: Sequence[str]) -> None:
        """Write lines in a frame as wide as they need; without a frame where it goes to no terminal."""
        room = self.width - len(INDENT) - 4
        shown = [clip(line, room) for line in lines]
        if not self.is_framed:
            for line in (f"{title}:", *(f"  {text}" for text in shown)):
                self.line(INDENT + line)
            return
        inner = max(map(text_width, (f"{title} ", *shown)))
        self._framed(f"╭ {title} " + "─" * (inner + 1 - text_width(title) - 1) + "╮")
        for text in shown:
            weight = "bold" if text is shown[0] else ""
            edge = self.style.paint("│", "dim")
            self.write(f"{INDENT}{edge} {self.style.paint(pad(text, inner), weight)} {edge}\n")
        self._framed("╰" + "─" * (inner + 2) + "╯")

    def _framed(self, text: str) -> None:
        self.line(INDENT + text, "dim")


@contextmanager
def timed_part(transcript: StoryTranscript, name: str) -> Iterator[None]:
    """Write a name at once, and behind it how long the block took."""
    transcript.part(f"{name} … ")
    begun = transcript.clock.monotonic()
    yield
    transcript.part(f"{transcript.clock.monotonic() - begun:.1f} s   ")
