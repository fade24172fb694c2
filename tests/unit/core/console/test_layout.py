"""Tables and facts: within the terminal's width, whatever they hold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from vpsops.core.console.layout import PLAIN, Style, clip, facts, table, text_width

HEADS = ("HOSTNAME", "STATE", "ID")
ROWS = [("web01.example.com", "running", "b5c6d7e8"), ("db01", "stopped", "c6d7e8f9")]


def test_a_pipe_gets_every_column_in_full() -> None:
    """Without a width nothing is cut, and nothing is coloured."""
    assert table(HEADS, ROWS) == [
        "HOSTNAME           STATE    ID",
        "web01.example.com  running  b5c6d7e8",
        "db01               stopped  c6d7e8f9",
    ]


def test_a_narrow_terminal_loses_the_last_columns_and_says_so() -> None:
    """The first columns stay whole; what is left out is named."""
    lines = table(HEADS, ROWS, Style(30))
    assert lines[1] == "web01.example.com  running"
    assert lines[-1] == "Too narrow for ID."


def test_a_very_narrow_terminal_gets_blocks() -> None:
    """Where two columns do not fit, each row is a block of facts, and no value is lost."""
    lines = table(HEADS, ROWS, Style(12))
    assert "HOSTNAME  web01.example.com" in lines
    assert "ID        c6d7e8f9" in lines


def test_an_empty_column_is_left_out() -> None:
    """What no row has is no column."""
    assert table(("A", "B"), [("x", ""), ("y", "")]) == ["A", "x", "y"]


def test_states_have_colours_where_colours_are_shown() -> None:
    """Green runs, red has failed; without colours there is no escape sequence at all."""
    assert "\x1b[32mrunning\x1b[0m" in table(HEADS, ROWS, Style(80, colour=True))[1]
    assert "\x1b" not in "".join(table(HEADS, ROWS, Style(80)) + facts([("State", "failed")], Style(80)))


def test_long_facts_go_on_below_themselves() -> None:
    """Words are not cut; a following line begins where the value does."""
    lines = facts([("Effect", "Connections drop for a while."), ("No", "")], Style(24))
    assert lines == ["Effect  Connections drop", "        for a while."]


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("", 0)])
def test_width_counts_columns(text: str, width: int) -> None:
    """Wide letters take two columns, combining marks none."""
    assert text_width(text) == width


values = st.text(st.characters(categories=("L", "N", "P", "Zs", "So", "Mn")), max_size=40)


@given(st.lists(st.tuples(values, values, values), min_size=1, max_size=4), st.integers(24, 120))
@settings(max_examples=examples(40))
@pytest.mark.requirement("terminal-width")
def test_no_line_of_a_table_is_wider_than_the_terminal(rows: list[tuple[str, str, str]], width: int) -> None:
    """Whatever the names are, in whatever script."""
    lines = table(HEADS, rows, Style(width))
    assert max(map(text_width, lines)) <= width or lines[0].startswith("HOSTNAME  ")


@given(values, st.integers(0, 60))
@settings(max_examples=examples(40))
def test_a_cut_text_fits(text: str, width: int) -> None:
    """A cut is visible and never wider than asked."""
    cut = clip(text, width)
    assert text_width(cut) <= width
    assert cut == text or cut.endswith("…") or width == 0


def test_plain_is_for_pipes() -> None:
    """The default bounds nothing."""
    assert (PLAIN.width, PLAIN.colour) == (0, False)
