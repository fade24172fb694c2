"""The audit trail as JSON Lines, and its verification without the database.

Of an export the first line names the record after which it begins, the last one where the trail's head was: so a file
that was cut at either end shows. Each line between holds one record with the text that was hashed:
`hash` is SHA-256 of `previous`, a line feed and `record`, in UTF-8.
"""

import json
from collections.abc import Iterable, Iterator
from typing import TypeGuard

from vpsops.core.audit.chain import ChainFault, ChainFaultKind, ChainVerifier
from vpsops.core.audit.records import GENESIS, TrailRecord, columns_agree, record_hash
from vpsops.core.common.json_types import Json

MAX_LINE = 1_000_000
MOST = 1 << 62
MOST_KEPT = 200_000
"""Hashes that are kept to know a shipped record that comes again: some 30 MB."""
TEXTS = ("event", "record", "previous", "hash")


def begin_line(after: int, digest: str) -> str:
    """Return the first line: the number and the hash of the record before."""
    return _line({"begin": {"after": after, "hash": digest}})


def record_line(record: TrailRecord) -> str:
    """Return the line of one record."""
    return _line(
        {
            "seq": record.seq,
            "at": record.at,
            "event": record.event,
            "change": record.change_id,
            "record": record.text,
            "previous": record.previous,
            "hash": record.hash,
        }
    )


def end_line(seq: int, digest: str) -> str:
    """Return the last line: the number and the hash of the trail's head."""
    return _line({"end": {"seq": seq, "hash": digest}})


def _line(content: dict[str, Json]) -> str:
    return json.dumps(content, separators=(",", ":"))


def verify_lines(lines: Iterable[str], walk: ChainVerifier) -> Iterator[ChainFault]:
    """Yield every fault of an export; `walk` has come to its last record in the end."""
    numbered = enumerate(lines, start=1)
    begin = next(numbered, None)
    yield from _begin(begin[1] if begin else "", walk)
    for number, line in numbered:
        parsed = _parsed(line)
        end = _bound(parsed, "end", "seq")
        if end is not None:
            yield from walk.end(end)
            yield from (_stray(walk, after) for after, _ in numbered)
            return
        record = _record(parsed)
        if record is None:
            yield ChainFault(walk.seq + 1, ChainFaultKind.ALTERED, f"line {number} is not a record")
        else:
            yield from walk.step(record)
    yield from walk.end()
    yield ChainFault(
        walk.seq, ChainFaultKind.REMOVED, f"the export has no end: what came after record {walk.seq} is missing"
    )


def verify_shipped_lines(lines: Iterable[str], walk: ChainVerifier) -> Iterator[ChainFault]:
    """Yield every fault of what `vpsops audit ship` wrote, which has neither a first nor a last line.

    It may begin with any record and hold records twice: the same record again is no fault. Nor is a line that is no
    record, as a write that was cut leaves one: a record that stands nowhere else is missing.
    """
    kept: dict[int, str] = {}
    for record in filter(None, map(_record, map(_parsed, lines))):
        if not kept:
            walk.seq, walk.hash = record.seq - 1, record.previous if record.seq > 1 else GENESIS
        if kept.get(record.seq) != record.hash or not is_whole(record):
            yield from walk.step(record)
        kept[record.seq] = record.hash
        if len(kept) > MOST_KEPT:
            del kept[next(iter(kept))]
    if not kept:
        yield ChainFault(1, ChainFaultKind.REMOVED, "there is no record in it")
    yield from walk.end()


def is_whole(record: TrailRecord) -> bool:
    """Return whether a record is as it was hashed."""
    return record_hash(record.previous, record.text) == record.hash and columns_agree(record)


def _begin(line: str, walk: ChainVerifier) -> Iterator[ChainFault]:
    parsed = _parsed(line)
    begin = _bound(parsed, "begin", "after")
    if begin is None:
        what = "the export has no beginning: its first line is missing"
        shipped = "; give --shipped for what vpsops audit ship wrote" if _record(parsed) else ""
        yield ChainFault(1, ChainFaultKind.REMOVED, what + shipped)
    else:
        walk.seq = begin[0]
        walk.hash = begin[1] if begin[0] else GENESIS


def _stray(walk: ChainVerifier, number: int) -> ChainFault:
    return ChainFault(walk.seq, ChainFaultKind.ADDED, f"line {number} stands after the end")


def _parsed(line: str) -> Json:
    try:
        return json.loads(line) if len(line) <= MAX_LINE else None
    except (ValueError, RecursionError):
        return None


def _bound(parsed: Json, name: str, number: str) -> tuple[int, str] | None:
    """Return number and hash of the first or the last line, if it is a record."""
    inner = parsed.get(name) if isinstance(parsed, dict) and len(parsed) == 1 else None
    if not isinstance(inner, dict) or not _count(inner.get(number)) or not isinstance(inner.get("hash"), str):
        return None
    return inner[number], inner["hash"]


def _record(parsed: Json) -> TrailRecord | None:
    if not isinstance(parsed, dict) or not _count(parsed.get("seq")) or not isinstance(parsed.get("at"), int | float):
        return None
    if not all(isinstance(parsed.get(name), str) for name in TEXTS) or not isinstance(
        parsed.get("change", ""), str | None
    ):
        return None
    return TrailRecord(
        seq=parsed["seq"],
        at=parsed["at"],
        event=parsed["event"],
        change_id=parsed.get("change"),
        text=parsed["record"],
        previous=parsed["previous"],
        hash=parsed["hash"],
    )


def _count(value: Json) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < MOST
