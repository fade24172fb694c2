"""Lines are kept whole up to a bound, and passed on in pieces beyond it."""

from hypothesis import given
from hypothesis import strategies as st

from vpsops.mcp_server.pipe.lines import BEGIN, END, HOLD, LINE, MORE, LineSplitter


@given(
    st.lists(st.binary(max_size=50).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=8), st.integers(1, 40)
)
def test_whatever_the_pieces_the_lines_are_the_same(lines: list[bytes], size: int) -> None:
    data, splitter = b"".join(lines), LineSplitter()
    seen = [event for start in range(0, len(data), size) for event in splitter.feed(data[start : start + size])]
    assert seen == [(LINE, line) for line in lines]
    assert splitter.rest() == b""


def test_a_line_at_the_bound_is_whole_and_a_longer_one_is_passed_on() -> None:
    splitter = LineSplitter()
    assert list(splitter.feed(b"x" * HOLD)) == []
    assert list(splitter.feed(b"\n")) == [(LINE, b"x" * HOLD + b"\n")]
    assert list(splitter.feed(b"y" * (HOLD + 1))) == [(BEGIN, b"y" * (HOLD + 1))]
    assert splitter.is_within
    assert list(splitter.feed(b"zz")) == [(MORE, b"zz")]
    assert list(splitter.feed(b"z\nnext\n")) == [(END, b"z\n"), (LINE, b"next\n")]
    assert not splitter.is_within


def test_a_last_line_without_its_end_is_kept() -> None:
    splitter = LineSplitter()
    assert list(splitter.feed(b"a\nb")) == [(LINE, b"a\n")]
    assert splitter.rest() == b"b"
    assert splitter.rest() == b""
