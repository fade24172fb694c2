"""Records of the audit trail: how one is hashed, with the hash before it, and added to the trail.

A first read verifies records and adds none, so SQLAlchemy is loaded with the first one that is added.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from vpsops.core.common.json_types import Json

GENESIS = "0" * 64
HIDDEN = frozenset({"ssh_keys"})


@dataclass(frozen=True, slots=True)
class AppendedRecord:
    """What the observer of commits is given of a new record."""

    event: str
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class TrailRecord:
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


def append(
    connection: Connection, at: float, event: str, change_id: str | None, body: Mapping[str, Json]
) -> TrailRecord:
    """Add a record to the end of the trail, inside the caller's transaction."""
    import sqlalchemy as sa  # noqa: PLC0415 - not for what reads a file

    from vpsops.core.storage import commit_notifier  # noqa: PLC0415 - likewise
    from vpsops.core.storage.tables import AUDIT, AUDIT_HEAD  # noqa: PLC0415 - likewise

    head = connection.execute(sa.select(AUDIT_HEAD.c.seq, AUDIT_HEAD.c.hash).with_for_update()).one()
    seq = head.seq + 1
    text = canonical(seq, at, event, change_id, body)
    record = TrailRecord(seq, at, event, change_id, text, head.hash, record_hash(head.hash, text))
    connection.execute(
        sa.insert(AUDIT).values(
            seq=seq, at=at, event=event, change_id=change_id, record=text, previous=head.hash, hash=record.hash
        )
    )
    connection.execute(sa.update(AUDIT_HEAD).values(seq=seq, hash=record.hash))
    commit_notifier.touch(connection, commit_notifier.AUDIT)
    commit_notifier.facts_of(connection).append(AppendedRecord(event, body))
    return record


def record_hash(previous: str, text: str) -> str:
    """Return the hash of a record after `previous`."""
    return hashlib.sha256(f"{previous}\n{text}".encode(errors="surrogatepass")).hexdigest()


def canonical(seq: int, at: float, event: str, change_id: str | None, body: Mapping[str, Json]) -> str:
    """Return the canonical text of a record."""
    record = {**redacted(body), "seq": seq, "at": at, "event": event, "change": change_id}
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def redacted(body: Mapping[str, Json]) -> dict[str, Json]:
    """Replace confidential values by how many there were."""
    return {name: _redacted(name, value) for name, value in body.items()}


def _redacted(name: str, value: Json) -> Json:
    if name in HIDDEN:
        return f"({len(value)} hidden)" if isinstance(value, list | tuple) else "(hidden)"
    if isinstance(value, Mapping):
        return redacted(value)
    if isinstance(value, list | tuple):
        return [_redacted("", item) for item in value]
    return value


def loaded(record: TrailRecord) -> Mapping[str, Json]:
    """Return a record's text as data; nothing where it is none."""
    try:
        body: Json = json.loads(record.text)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def columns_agree(record: TrailRecord) -> bool:
    """Return whether a record's columns say what was hashed."""
    body = loaded(record)
    stored = (record.seq, record.at, record.event, record.change_id)
    return stored == (body.get("seq"), body.get("at"), body.get("event"), body.get("change"))


def is_whole(record: TrailRecord) -> bool:
    """Return whether a record's text has its hash, and its columns agree with its text."""
    return record_hash(record.previous, record.text) == record.hash and columns_agree(record)


def record_from(row: Mapping[str, Any]) -> TrailRecord:
    """Return the record that a row of the table holds."""
    columns = (row[name] for name in ("seq", "at", "event", "change_id", "record", "previous", "hash"))
    return TrailRecord(*columns)
