"""The chain: any tampering with a record is detected, and the right record is named."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.audit.chains import altered, chain, export, faults, rewritten
from vpsops.core.audit import chain as audit
from vpsops.core.audit.chain import ChainFaultKind, ChainVerifier
from vpsops.core.audit.records import GENESIS, TrailRecord, canonical, record_hash, redacted

LONGEST = 9
WHOLE = {length: export(chain(length)) for length in range(LONGEST + 1)}
OTHER_HASH = "f" * 64
FIELDS: dict[str, Any] = {
    "at": 1.0,
    "event": "denied",
    "change": None,
    "record": "{}",
    "previous": OTHER_HASH,
    "hash": OTHER_HASH,
}
lengths = st.integers(3, LONGEST)


@st.composite
def places(draw: st.DrawFn) -> tuple[list[str], int]:
    """Draw a whole export, and the number of one of its records (which is also its place among the lines)."""
    length = draw(lengths)
    return list(WHOLE[length]), draw(st.integers(1, length))


def named(lines: list[str]) -> set[int]:
    """Return the numbers of the records that are found at fault."""
    return {fault.seq for fault in faults(lines)}


@pytest.mark.parametrize("length", range(LONGEST + 1))
def test_what_nobody_touched_is_whole(length: int) -> None:
    """A chain of any length, also an empty one, has no fault."""
    assert faults(WHOLE[length]) == []


@given(place=places(), field=st.sampled_from(sorted(FIELDS)))
def test_an_altered_field_names_its_record(place: tuple[list[str], int], field: str) -> None:
    """Whichever column of a record is changed, that record is named and no other."""
    lines, number = place
    lines[number] = altered(lines[number], **{field: FIELDS[field]})
    assert named(lines) == {number}


@given(place=places(), data=st.data())
def test_an_altered_letter_names_its_record(place: tuple[list[str], int], data: st.DataObject) -> None:
    """A single altered letter anywhere makes the record altered."""
    lines, number = place
    text = json.loads(lines[number])["record"]
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters().filter(lambda letter: letter != text[at]))
    lines[number] = altered(lines[number], record=text[:at] + letter + text[at + 1 :])
    assert named(lines) == {number}
    assert ChainFaultKind.ALTERED in {fault.kind for fault in faults(lines)}


@given(place=places(), other=st.integers(1, 50))
def test_another_number_names_the_record(place: tuple[list[str], int], other: int) -> None:
    """A renumbered record is reported under its original number."""
    lines, number = place
    lines[number] = altered(lines[number], seq=number + other)
    assert [(fault.seq, fault.kind) for fault in faults(lines)] == [(number, ChainFaultKind.COLUMNS)]


@given(place=places())
def test_a_rewritten_record_is_told_by_its_neighbours(place: tuple[list[str], int]) -> None:
    """A record that was replaced together with its hash fits itself, but not the one after it, or the head."""
    lines, number = place
    content = json.loads(lines[number])
    lines[number] = rewritten(lines[number], record=content["record"].replace("reboot", "delete"))
    assert [(fault.seq, fault.kind) for fault in faults(lines)] == [(number, ChainFaultKind.ALTERED)]


@given(place=places())
def test_a_record_rewritten_from_nothing_is_told(place: tuple[list[str], int]) -> None:
    """A record that claims another predecessor than the one before it is reported."""
    lines, number = place
    lines[number] = rewritten(lines[number], previous=OTHER_HASH)
    assert [(fault.seq, fault.kind) for fault in faults(lines)] == [(number, ChainFaultKind.ALTERED)]


@given(place=places())
def test_a_removed_record_is_named(place: tuple[list[str], int]) -> None:
    """A gap in the middle, at the beginning or at the end is reported by the missing number."""
    lines, number = place
    del lines[number]
    assert [(fault.seq, fault.kind) for fault in faults(lines)] == [(number, ChainFaultKind.REMOVED)]


@given(place=places(), count=st.integers(1, LONGEST))
def test_a_removed_stretch_is_one_fault(place: tuple[list[str], int], count: int) -> None:
    """Consecutive missing records are reported as one range."""
    lines, number = place
    kept = [*lines[:number], *lines[number + count : -1], lines[-1]]
    assert {(fault.seq, fault.kind) for fault in faults(kept)} == {(number, ChainFaultKind.REMOVED)}


@given(place=places(), data=st.data())
def test_swapped_records_are_out_of_order(place: tuple[list[str], int], data: st.DataObject) -> None:
    """Two swapped records are reported as out of order, with only the records between them."""
    lines, number = place
    other = data.draw(st.integers(1, len(lines) - 2).filter(lambda other: other != number))
    lines[number], lines[other] = lines[other], lines[number]
    first, last = sorted((number, other))
    results = faults(lines)
    assert {fault.kind for fault in results} == {ChainFaultKind.DISORDERED}
    assert first in named(lines) <= set(range(first, last + 1))


@given(place=places())
def test_a_repeated_record_is_named(place: tuple[list[str], int]) -> None:
    """A repeated record is reported."""
    lines, number = place
    lines.insert(number + 1, lines[number])
    assert [(fault.seq, fault.kind) for fault in faults(lines)] == [(number, ChainFaultKind.REPEATED)]


@given(place=places())
def test_a_cut_file_names_the_last_record_it_has(place: tuple[list[str], int]) -> None:
    """A file that ends early has no end line, so that it cannot pass for a shorter trail."""
    lines, number = place
    assert [(fault.seq, fault.kind) for fault in faults(lines[: number + 1])] == [(number, ChainFaultKind.REMOVED)]


@given(place=places())
def test_a_file_without_its_beginning_is_not_whole(place: tuple[list[str], int]) -> None:
    """A file that starts late is not whole."""
    lines, number = place
    assert faults(lines[number:]) != []


@given(place=places(), line=st.text() | st.sampled_from(['{"end":{}}', "[]", "null", "[" * 5000, '{"seq":1}']))
def test_what_is_no_record_is_told_by_its_line(place: tuple[list[str], int], line: str) -> None:
    """A line that is no record is reported, whatever it is, and verification continues."""
    lines, number = place
    lines.insert(number, line)
    assert [(fault.seq, fault.what) for fault in faults(lines)] == [
        (number, f"line {number + 1} is not a record"),
    ]


@given(place=places(), data=st.data())
def test_two_altered_records_are_both_named(place: tuple[list[str], int], data: st.DataObject) -> None:
    """One fault hides no other one that does not stand beside it."""
    lines, number = place
    other = data.draw(st.integers(1, len(lines) - 2))
    for each in {number, other}:
        lines[each] = altered(lines[each], record="{}")
    assert named(lines) == {number, other}


@given(place=places())
def test_lines_after_the_end_are_told(place: tuple[list[str], int]) -> None:
    """What follows the end line was added."""
    lines, number = place
    lines.append(lines[number])
    assert [(fault.seq, fault.kind) for fault in faults(lines)] == [(len(lines) - 3, ChainFaultKind.ADDED)]


@given(lines=st.lists(st.text() | st.sampled_from([*WHOLE[3], *WHOLE[5]])))
def test_any_lines_can_be_verified(lines: list[str]) -> None:
    """Verification terminates on any file and reports only a complete one as whole."""
    assert (faults(lines) == []) == (lines in (WHOLE[3], WHOLE[5]))


def test_a_part_continues_from_where_it_begins() -> None:
    """An export of the newer records is verified from the hash of the one before."""
    old = chain(4)
    new = chain(3, after=4, digest=old[-1].hash)
    lines = export(new, after=4, digest=old[-1].hash)
    assert faults(lines) == []
    assert [fault.seq for fault in faults([altered(lines[0], begin={"after": 4, "hash": OTHER_HASH}), *lines[1:]])] == [
        5
    ]
    assert [
        fault.seq for fault in faults([altered(lines[0], begin={"after": 3, "hash": old[2].hash}), *lines[1:]])
    ] == [4]


def test_a_trail_from_its_start_begins_with_nothing() -> None:
    """A beginning that claims a hash before the first record does not cover for a rewritten first record."""
    lines = list(WHOLE[3])
    lines[0] = altered(lines[0], begin={"after": 0, "hash": OTHER_HASH})
    lines[1] = rewritten(lines[1], previous=OTHER_HASH)
    assert [fault.seq for fault in faults(lines)] == [1]


@pytest.mark.requirement("audit-shows-tampering")
def test_a_noted_head_shows_a_trail_that_was_rewritten_throughout() -> None:
    """A chain rewritten from the start is consistent in itself, but does not match a head noted earlier."""
    true, forged = chain(6), chain(6, digest=GENESIS)
    noted = (4, true[3].hash)
    assert faults(export(true), noted) == []
    text = forged[1].text.replace("reboot", "delete")
    rewritten = [forged[0]]
    for record in forged[1:]:
        body = text if record.seq == 2 else record.text
        rewritten.append(
            TrailRecord(
                record.seq,
                record.at,
                record.event,
                record.change_id,
                body,
                rewritten[-1].hash,
                record_hash(rewritten[-1].hash, body),
            )
        )
    assert faults(export(rewritten)) == []
    assert [(fault.seq, fault.kind) for fault in faults(export(rewritten), noted)] == [(4, ChainFaultKind.ALTERED)]
    assert [(fault.seq, fault.kind) for fault in faults(export(chain(3)), noted)] == [(4, ChainFaultKind.REMOVED)]


def test_what_stands_beyond_the_head_was_added() -> None:
    """A record appended after the head is reported."""
    records = chain(5)
    assert [(item.seq, item.kind) for item in audit.verify(records, (3, records[2].hash))] == [
        (4, ChainFaultKind.ADDED)
    ]


@pytest.mark.parametrize(
    ("head", "results"),
    [
        ((3, OTHER_HASH), (3, ChainFaultKind.ALTERED)),
        ((4, OTHER_HASH), (4, ChainFaultKind.REMOVED)),
        ((2, OTHER_HASH), (3, ChainFaultKind.ADDED)),
        ((0, ""), (1, ChainFaultKind.ADDED)),
    ],
)
def test_an_altered_head_is_told(head: tuple[int, str], results: tuple[int, ChainFaultKind]) -> None:
    """The head is part of the chain: neither its number nor its hash can be changed alone."""
    assert [(fault.seq, fault.kind) for fault in audit.verify(chain(3), head)] == [results]


def test_a_head_of_nothing_is_the_first_hash() -> None:
    """An empty trail is whole only while the head states that nothing was recorded yet."""
    assert list(audit.verify([], (0, GENESIS))) == []
    assert [fault.kind for fault in audit.verify([], (2, OTHER_HASH))] == [ChainFaultKind.REMOVED]
    assert [fault.kind for fault in audit.verify([], (0, OTHER_HASH))] == [ChainFaultKind.ALTERED]


def test_faults_are_told_in_words() -> None:
    """A person reads the number and what happened to it."""
    records = chain(9)
    gone = [record for record in records if record.seq not in {2, 5, 6}]
    assert [fault.what for fault in audit.verify(gone)] == ["record 2 is missing", "records 5 to 6 are missing"]
    assert [fault.what for fault in audit.verify(records[:7], (9, records[8].hash))] == [
        "records 8 to 9 are missing at the end: the head says 9"
    ]


@given(body=st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text())))
def test_every_record_that_can_be_made_is_whole(body: dict[str, Any]) -> None:
    """Any record verifies as it was written, even one that uses the chain's own field names."""
    text = canonical(1, 1.5, "requested", "chg_1", body)
    record = TrailRecord(1, 1.5, "requested", "chg_1", text, GENESIS, record_hash(GENESIS, text))
    assert list(audit.verify([record], (1, record.hash))) == []


keys = st.lists(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=12, max_size=40), min_size=1, max_size=4)


@given(keys=keys, around=st.sampled_from(["{}", '{"arguments": {}}', '{"result": {"list": [{}]}}']))
@pytest.mark.requirement("audit-without-keys")
def test_keys_never_reach_the_trail(keys: list[str], around: str) -> None:
    """SSH keys are counted, not recorded, however deep they lie."""
    body = json.loads(around.replace("{}", json.dumps({"ssh_keys": keys, "hostname": "web01"})))
    text = canonical(1, 1.0, "requested", None, body)
    assert f"({len(keys)} hidden)" in text
    assert "web01" in text
    assert not [key for key in keys if key in text]


def test_a_single_hidden_value_is_not_counted() -> None:
    """A hidden value that is no list is reported only as hidden."""
    assert redacted({"ssh_keys": "ssh-ed25519 AAAA"}) == {"ssh_keys": "(hidden)"}


def test_a_walk_knows_where_it_came_to() -> None:
    """After a whole chain it holds the head to note."""
    walk = ChainVerifier()
    records = chain(4)
    assert [fault for record in records for fault in walk.step(record)] == []
    assert (walk.seq, walk.hash) == (4, records[3].hash)
