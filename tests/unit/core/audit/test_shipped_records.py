"""Verification of records that were shipped: at least once, from any record on, with no line for beginning or end."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.audit.chains import altered, chain, rewritten
from vpsops.core.audit.chain import ChainFaultKind, ChainVerifier
from vpsops.core.audit.export import record_line, verify_shipped_lines

LONGEST = 12
LINES = [record_line(record) for record in chain(LONGEST)]


def named(lines: Sequence[str]) -> list[tuple[int, ChainFaultKind]]:
    """Return the faults of shipped lines: the record's number, and the kind."""
    return [(fault.seq, fault.kind) for fault in verify_shipped_lines(lines, ChainVerifier())]


@st.composite
def shipped(draw: st.DrawFn) -> list[str]:
    """Draw what batches leave: each begins at or before the end of the one before it, and none ends before it."""
    end = draw(st.integers(1, LONGEST))
    first = draw(st.integers(0, end - 1))
    lines = LINES[first:end]
    for _ in range(draw(st.integers(0, 3))):
        begin = draw(st.integers(first, end))
        end = draw(st.integers(end, LONGEST))
        cut = draw(st.sampled_from([[], [""], [LINES[begin - 1][:40]]]))
        lines += cut + LINES[begin:end]
    return lines


@given(lines=shipped())
def test_what_was_shipped_at_least_once_is_whole(lines: list[str]) -> None:
    """Batches that came again and lines that a crash cut are no faults."""
    assert named(lines) == []


@given(lines=shipped(), data=st.data())
def test_a_record_that_differs_is_named_wherever_it_stands(lines: list[str], data: st.DataObject) -> None:
    """Its text, or its text with the hash that fits: also in a copy that came again."""
    places = [place for place, line in enumerate(lines) if line in LINES]
    place = data.draw(st.sampled_from(places))
    number = LINES.index(lines[place]) + 1
    lines[place] = data.draw(st.sampled_from([altered, rewritten]))(lines[place], record="{}")
    faults = named([*lines, *LINES[len(places) :]])
    assert faults
    assert number in {seq for seq, _ in faults} or number == LONGEST


def test_a_missing_record_a_wrong_first_one_and_nothing_at_all_are_faults() -> None:
    """A cut in the middle shows; record 1 continues nothing; a file without a record proves nothing."""
    assert named(LINES[:3] + LINES[5:]) == [(4, ChainFaultKind.REMOVED)]
    assert named([rewritten(LINES[0], previous="1" * 64), *LINES[1:]]) == [(1, ChainFaultKind.ALTERED)]
    assert named([]) == [(1, ChainFaultKind.REMOVED)]
    assert named(["{}", "nonsense"]) == [(1, ChainFaultKind.REMOVED)]


def test_records_after_a_restore_come_with_other_hashes() -> None:
    """Shipping continues from what the backup holds: the numbers come again, and differ."""
    other = [record_line(record) for record in chain(2, after=4, digest=chain(4)[-1].hash[::-1])]
    assert named(LINES[:6] + other) == [(5, ChainFaultKind.REPEATED), (6, ChainFaultKind.REPEATED)]
