"""The audit trail: append-only records, each hashed with the one before it.

A record is written in the transaction it describes. The chain makes an altered, removed or
reordered record show: every hash covers the record's own text and the hash before it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit.records import (
    GENESIS,
    TrailRecord,
    append,
    columns_agree,
    loaded,
    record_from,
    record_hash,
)
from vpsops.core.storage.tables import AUDIT, AUDIT_HEAD

__all__ = [
    "ChainFault",
    "ChainFaultKind",
    "ChainVerifier",
    "append",
    "head",
    "lock_head",
    "newest",
    "read",
    "record_from_row",
    "verify",
]


def read(
    connection: Connection, *, after: int = 0, limit: int = 1000, change_id: str | None = None
) -> list[TrailRecord]:
    """Return records in order, at most `limit` after the one numbered `after`."""
    query = sa.select(AUDIT).where(AUDIT.c.seq > after).order_by(AUDIT.c.seq).limit(limit)
    if change_id is not None:
        query = query.where(AUDIT.c.change_id == change_id)
    return [record_from_row(row) for row in connection.execute(query)]


def newest(
    connection: Connection, limit: int, *, before: int | None = None, change_id: str | None = None
) -> list[TrailRecord]:
    """Return the last `limit` records, of those before the one numbered `before`, oldest of them first."""
    query = sa.select(AUDIT).order_by(AUDIT.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(AUDIT.c.seq < before)
    if change_id is not None:
        query = query.where(AUDIT.c.change_id == change_id)
    return [record_from_row(row) for row in reversed(connection.execute(query).all())]


def head(connection: Connection, *, lock: bool = False) -> tuple[int, str]:
    """Return the number and the hash of the last record as the head row has them; a lost head names none."""
    query = sa.select(AUDIT_HEAD.c.seq, AUDIT_HEAD.c.hash)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return (0, "") if row is None else (row.seq, row.hash)


def lock_head(connection: Connection) -> tuple[int, str]:
    """Lock the trail's head until the commit, so that several queries see one trail; return what `head` does."""
    return head(connection, lock=True)


class ChainFaultKind(StrEnum):
    """The fault of a record."""

    ALTERED = "altered"
    COLUMNS = "columns"
    REMOVED = "removed"
    ADDED = "added"
    DISORDERED = "disordered"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class ChainFault:
    """A place where the chain is broken: the record's number, and a description of the fault."""

    seq: int
    kind: ChainFaultKind
    what: str


def verify(records: Iterable[TrailRecord], expected: tuple[int, str] | None = None) -> Iterator[ChainFault]:
    """Yield every fault of a chain that should begin at record 1.

    `expected` is the head's number and hash: without it a cut tail cannot show.
    """
    walk = ChainVerifier()
    for record in records:
        yield from walk.step(record)
    yield from walk.end(expected)


@dataclass(slots=True)
class ChainVerifier:
    """Walks a chain record by record and finds its faults.

    A record is confirmed by the one after it, which holds its hash; the last one by the head. So
    where two whole records do not fit together, the next one decides which of the two was rewritten.
    """

    seq: int = 0  # the highest number so far
    hash: str = GENESIS
    noted: tuple[int, str] | None = None  # a number and hash that were written down earlier
    anchors: Mapping[int, str] = field(default_factory=dict)  # likewise, once a day
    carried: int = 0  # how many of the anchors are records of the trail
    _first: int | None = None
    _last_whole: bool = True
    _doubt: bool = False  # the last two records do not fit together
    _missing: list[range] = field(default_factory=list)

    def step(self, record: TrailRecord) -> Iterator[ChainFault]:
        """Take the next record."""
        whole = record_hash(record.previous, record.text) == record.hash
        number = _number(record, whole)
        if not whole:
            yield ChainFault(number, ChainFaultKind.ALTERED, f"record {number} was altered")
        elif not columns_agree(record):
            yield ChainFault(
                number, ChainFaultKind.COLUMNS, f"record {number}: its columns differ from what was hashed"
            )
        if self.noted is not None and number == self.noted[0] and record.hash != self.noted[1]:
            yield ChainFault(
                number, ChainFaultKind.ALTERED, f"record {number} is not the one noted: the trail was rewritten"
            )
        if number in self.anchors:
            self.carried += self.anchors[number] == record.hash
            if self.anchors[number] != record.hash:
                yield ChainFault(
                    number, ChainFaultKind.ALTERED, f"record {number} is not the one anchored: the trail was rewritten"
                )
        if number <= self.seq:
            yield self._back(number)
            return
        if number == self.seq + 1:
            yield from self._link(record, whole)
        else:
            yield from self._give_up_doubt()
            self._missing.append(range(self.seq + 1, number))
        self.seq, self.hash, self._last_whole = number, record.hash, whole
        self._first = number if self._first is None else self._first

    def _back(self, number: int) -> ChainFault:
        for index, gap in enumerate(self._missing):
            if number in gap:
                self._missing[index : index + 1] = [range(gap.start, number), range(number + 1, gap.stop)]
                return ChainFault(
                    number, ChainFaultKind.DISORDERED, f"record {number} stands after record {self.seq}: out of order"
                )
        return ChainFault(
            number, ChainFaultKind.REPEATED, f"record {number} stands there again after record {self.seq}"
        )

    def _link(self, record: TrailRecord, whole: bool) -> Iterator[ChainFault]:
        """Judge whether a record continues the one before it, which is whole or was reported already."""
        doubted, self._doubt = self._doubt, False
        if doubted:
            yield self._rewritten(vouched=record.previous == self.hash)
        elif record.previous != self.hash and self._last_whole:
            self._doubt = whole
            if not whole and record_hash(self.hash, record.text) != record.hash:
                what = f"record {self.seq} may have been rewritten: what follows was altered"
                yield ChainFault(self.seq, ChainFaultKind.ALTERED, what)

    def _rewritten(self, *, vouched: bool) -> ChainFault:
        """Report the one before the last if the last is confirmed; the predecessor of the first one is given."""
        seq = self.seq - 1 if vouched and self.seq != self._first else self.seq
        return ChainFault(
            seq, ChainFaultKind.ALTERED, f"record {seq} was rewritten: its neighbours were made with another one"
        )

    def _give_up_doubt(self) -> Iterator[ChainFault]:
        if self._doubt:
            self._doubt = False
            what = f"record {self.seq} does not continue record {self.seq - 1}: one of them was rewritten"
            yield ChainFault(self.seq, ChainFaultKind.ALTERED, what)

    def end(self, expected: tuple[int, str] | None = None) -> Iterator[ChainFault]:
        """Finish the verification; `expected` is the head's number and hash."""
        if expected is not None:
            yield from self._compare(*expected)
        yield from self._give_up_doubt()
        if self.noted is not None and self.noted[0] > self.seq:
            self._missing.append(range(self.seq + 1, self.noted[0] + 1))
        later = [number for number in self.anchors if number > self.seq]
        if later:
            what = f"record {max(later)} is anchored, and the trail ends at record {self.seq}: it was cut"
            yield ChainFault(self.seq + 1, ChainFaultKind.REMOVED, what)
        for gap in self._missing:
            if gap:
                yield ChainFault(gap.start, ChainFaultKind.REMOVED, f"{_records(gap)} missing")

    def _compare(self, seq: int, digest: str) -> Iterator[ChainFault]:
        if seq > self.seq:
            yield from self._give_up_doubt()
            gap = range(self.seq + 1, seq + 1)
            yield ChainFault(
                gap.start, ChainFaultKind.REMOVED, f"{_records(gap)} missing at the end: the head says {seq}"
            )
        elif seq < self.seq:
            gap = range(seq + 1, self.seq + 1)
            yield ChainFault(gap.start, ChainFaultKind.ADDED, f"{_records(gap)} beyond the head, which says {seq}")
        elif digest == self.hash:
            if self._doubt:
                yield self._rewritten(vouched=True)
            self._doubt = False
        elif self._last_whole:
            self._doubt = False
            yield ChainFault(
                seq, ChainFaultKind.ALTERED, f"record {seq} is not the one that the head names: one of them was altered"
            )


def _records(gap: range) -> str:
    return f"record {gap.start} is" if len(gap) == 1 else f"records {gap.start} to {gap.stop - 1} are"


def _number(record: TrailRecord, whole: bool) -> int:
    """Return a record's number: the hashed one takes precedence over its column."""
    hashed = loaded(record).get("seq") if whole else None
    return hashed if type(hashed) is int else record.seq


def record_from_row(row: sa.Row[tuple[object, ...]]) -> TrailRecord:
    """Return the record a row holds."""
    return record_from(dict(row._mapping))  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
