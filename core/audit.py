"""The audit trail: append-only records, each hashed with the one before it.

A record is written in the transaction it describes. The chain is what makes an altered, removed or
reordered record show: every hash covers the record's own text and the hash before it.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.changes.model import Json
from core.storage.tables import AUDIT, AUDIT_HEAD

GENESIS = "0" * 64
HIDDEN = frozenset({"ssh_keys"})


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the trail; `text` is the canonical JSON that is hashed."""

    seq: int
    at: float
    event: str
    change_id: str | None
    text: str
    previous: str
    hash: str

    @property
    def body(self) -> Mapping[str, Json]:
        """The record as data."""
        loaded: Mapping[str, Json] = json.loads(self.text)
        return loaded


@dataclass(frozen=True, slots=True)
class Fault:
    """A place where the chain is broken, in words."""

    seq: int
    what: str


def chained(previous: str, text: str) -> str:
    """Return the hash of a record after `previous`; pure."""
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def canonical(seq: int, at: float, event: str, change_id: str | None, body: Mapping[str, Json]) -> str:
    """Return the one text that stands for a record; pure."""
    record = {"seq": seq, "at": at, "event": event, "change": change_id, **redacted(body)}
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def redacted(body: Mapping[str, Json]) -> dict[str, Json]:
    """Replace what is nobody's business by how much of it there was; pure."""
    return {name: _redacted(name, value) for name, value in body.items()}


def _redacted(name: str, value: Json) -> Json:
    if name in HIDDEN:
        return f"({len(value)} hidden)" if isinstance(value, list | tuple) else "(hidden)"
    if isinstance(value, Mapping):
        return redacted(value)
    return value


def append(connection: Connection, at: float, event: str, change_id: str | None, body: Mapping[str, Json]) -> Record:
    """Add a record to the end of the chain, inside the caller's transaction."""
    head = connection.execute(sa.select(AUDIT_HEAD.c.seq, AUDIT_HEAD.c.hash).with_for_update()).one()
    seq = head.seq + 1
    text = canonical(seq, at, event, change_id, body)
    record = Record(seq, at, event, change_id, text, head.hash, chained(head.hash, text))
    connection.execute(
        sa.insert(AUDIT).values(
            seq=seq, at=at, event=event, change_id=change_id, record=text, previous=head.hash, hash=record.hash
        )
    )
    connection.execute(sa.update(AUDIT_HEAD).values(seq=seq, hash=record.hash))
    return record


def read(connection: Connection, *, after: int = 0, limit: int = 1000, change_id: str | None = None) -> list[Record]:
    """Return records in order, at most `limit` after the one numbered `after`."""
    query = sa.select(AUDIT).where(AUDIT.c.seq > after).order_by(AUDIT.c.seq).limit(limit)
    if change_id is not None:
        query = query.where(AUDIT.c.change_id == change_id)
    return [_record(row) for row in connection.execute(query)]


def newest(connection: Connection, limit: int) -> list[Record]:
    """Return the last `limit` records, oldest of them first."""
    rows = connection.execute(sa.select(AUDIT).order_by(AUDIT.c.seq.desc()).limit(limit)).all()
    return [_record(row) for row in reversed(rows)]


def head(connection: Connection) -> tuple[int, str]:
    """Return the number and the hash of the last record as the head row has them."""
    row = connection.execute(sa.select(AUDIT_HEAD.c.seq, AUDIT_HEAD.c.hash)).one()
    return row.seq, row.hash


def verify(records: Iterable[Record], expected: tuple[int, str] | None = None) -> Iterator[Fault]:
    """Yield every fault of a chain that should begin at record 1; pure.

    `expected` is the head's number and hash: without it a cut tail cannot show.
    """
    seq, previous = 0, GENESIS
    for record in records:
        yield from _faults(record, seq, previous)
        seq, previous = record.seq, record.hash
    if expected is not None and (seq, previous) != expected:
        yield Fault(seq, f"the chain ends at record {seq}, the head says {expected[0]}: records are missing at the end")


def _faults(record: Record, before: int, previous: str) -> Iterator[Fault]:
    if record.seq != before + 1:
        yield Fault(record.seq, f"record {record.seq} follows record {before}: records are missing or out of order")
    if record.previous != previous:
        yield Fault(record.seq, f"record {record.seq} does not continue the record before it")
    if chained(record.previous, record.text) != record.hash:
        yield Fault(record.seq, f"record {record.seq} was altered")
    if not _columns_agree(record):
        yield Fault(record.seq, f"record {record.seq}: its columns differ from what was hashed")


def _columns_agree(record: Record) -> bool:
    try:
        body = record.body
    except ValueError:
        return False
    stored = (record.seq, record.at, record.event, record.change_id)
    return stored == (body.get("seq"), body.get("at"), body.get("event"), body.get("change"))


def _record(row: sa.Row[tuple[object, ...]]) -> Record:
    m = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    return Record(m["seq"], m["at"], m["event"], m["change_id"], m["record"], m["previous"], m["hash"])
