"""The transcript: frames and colours at a terminal, plain lines elsewhere, never wider than the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from vpsops.core.console.layout import Style, text_width
from vpsops.playground.stories.transcript import StoryTranscript, timed_part


def transcript(style: Style) -> tuple[StoryTranscript, list[str]]:
    written: list[str] = []
    return StoryTranscript(written.append, style, FakeClock()), written


def test_a_pipe_gets_plain_lines() -> None:
    """No frame, no escape."""
    to, written = transcript(Style())
    to.heading("One")
    to.box("#ops", ["Reboot web01?", "[Yes]"])
    to.proof("One reboot.")
    text = "".join(written)
    assert text.splitlines()[:5] == ["", "One", "   #ops:", "     Reboot web01?", "     [Yes]"]
    assert "\x1b" not in text
    assert text.endswith(" 0.0 s\n")


def test_a_terminal_gets_a_frame_as_wide_as_its_text() -> None:
    """All its lines are equally wide."""
    to, written = transcript(Style(80))
    to.box("#ops", ["🟡 Reboot web01?", "[Yes] [No]"])
    assert "".join(written).splitlines() == [
        "   ╭ #ops ────────────╮",
        "   │ 🟡 Reboot web01? │",
        "   │ [Yes] [No]       │",
        "   ╰──────────────────╯",
    ]


@given(st.text(max_size=200), st.integers(24, 120), st.booleans())
def test_no_line_is_wider_than_the_terminal(text: str, width: int, colour: bool) -> None:
    """Whatever is shown: it is cut where it is too long."""
    line = " ".join(text.split())
    to, written = transcript(Style(width, colour=False))
    to.box("title", [line, line])
    to.remark(line)
    to.proof(line)
    del colour
    assert max(map(text_width, "".join(written).split("\n"))) <= min(width, 100)


def test_a_title_longer_than_its_box_widens_it() -> None:
    """The frame closes around the title."""
    to, written = transcript(Style(80))
    to.box("the agent's human is asked", ["Yes?"])
    assert len({text_width(line) for line in "".join(written).splitlines()}) == 1


def test_what_starts_is_named_before_it_has_started() -> None:
    """And its time stands behind it."""
    to, written = transcript(Style())
    with timed_part(to, "the bot"):
        assert "".join(written) == "the bot … "
    assert "".join(written) == "the bot … 0.0 s   "


def test_what_does_not_start_has_no_time() -> None:
    """Its error passes."""
    to, written = transcript(Style())
    with pytest.raises(OSError, match="no socket"), timed_part(to, "the bot"):
        raise OSError("no socket")
    assert "".join(written) == "the bot … "
