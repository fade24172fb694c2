"""One row of each table as a running system would have it, for any version of the schema."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from vpsops.core.audit import records
from vpsops.core.changes import serialization
from vpsops.core.changes.model import Change, State, Verdict, Vote
from vpsops.core.identity.actors import Actor, ActorKind, Approvers, Origin
from vpsops.core.operations.target import Target
from vpsops.core.policy.decision import Decision, Ruling

NOW = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)
ANN = Actor(ActorKind.PERSON, "U_ANN", "Ann Ångström", human="U_ANN", aliases=("ann@example.com",), groups=("S_OPS",))
BEN = Actor(ActorKind.PERSON, "U_BEN", "Ben", human="U_BEN")
CHANGE = Change(
    id="chg_000000000001",
    version=2,
    state=State.HELD,
    operation="reboot",
    arguments={"server": "srv-1"},
    target=Target("srv-1", "web01.example.com", "running", "no-oslo", "192.0.2.7", "s"),
    actor=ANN,
    origin=Origin("slack", "T1", "C1"),
    reason="it hangs — again",
    ruling=Ruling(Decision.APPROVE, ("reboots",), 2, Approvers(groups=("S_OPS",)), "two eyes", "pol_1"),
    digest="d" * 64,
    created_at=NOW,
    expires_at=NOW,
    updated_at=NOW,
)
VOTE = Vote(BEN, Verdict.APPROVE, "fine", "member of S_OPS", NOW)
RECORD = records.canonical(1, NOW.timestamp(), "requested", CHANGE.id, {"operation": "reboot"})
HASH = records.record_hash(records.GENESIS, RECORD)
STAMP = NOW.timestamp()

ROWS: Mapping[str, Mapping[str, Any]] = {
    "changes": {**serialization.change_values(CHANGE), "key": "k1", "lock": CHANGE.target.key},
    "votes": serialization.vote_values(CHANGE.id, VOTE),
    "reviews": {"change_id": CHANGE.id, "state": "open", "opened_at": STAMP, "remind_at": STAMP, "reminders": 1},
    "audit": {
        "seq": 1,
        "at": STAMP,
        "event": "requested",
        "change_id": CHANGE.id,
        "record": RECORD,
        "previous": records.GENESIS,
        "hash": HASH,
    },
    "audit_head": {"id": 1, "seq": 1, "hash": HASH},
    "outbox": {
        "id": 7,
        "topic": f"change:{CHANGE.id}",
        "kind": "card",
        "payload": {"change": CHANGE.id},
        "state": "waiting",
        "created_at": STAMP,
        "not_before": 0.0,
        "attempts": 0,
        "error": "",
    },
    "copies": {"topic": f"change:{CHANGE.id}", "channel": "C1", "ts": "1.2", "purpose": "card", "at": STAMP},
    "inbox": {"key": "env-1", "kind": "command", "payload": {"text": "reboot web01"}, "received_at": STAMP},
    "processes": {"id": "slack-1-abcd", "front": "slack", "started_at": STAMP, "beat": 12.5},
    "leases": {"name": "watcher", "owner": "slack-1-abcd", "until": 12.5},
}
FILLERS: Mapping[type[Any], Any] = {
    int: 1,
    float: 1.0,
    str: "x",
    bool: False,
    dict: {},
    object: {},
    datetime: NOW.replace(tzinfo=None),
}


def fill(connection: sa.Connection) -> None:
    """Put a sample row into every table there is, whatever version of the schema it is."""
    for table in _tables(connection):
        connection.execute(sa.delete(table)) if table.name == "audit_head" else None
        connection.execute(sa.insert(table).values(_row(table)))


def contents(connection: sa.Connection) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of every table."""
    return {
        table.name: [dict(row._mapping) for row in connection.execute(sa.select(table))]
        for table in _tables(connection)
    }


def _tables(connection: sa.Connection) -> list[sa.Table]:
    metadata = sa.MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def _row(table: sa.Table) -> dict[str, Any]:
    sample = ROWS.get(table.name, {})
    return {
        column.name: sample[column.name] if column.name in sample else FILLERS[column.type.python_type]
        for column in table.columns
        if column.name in sample or not (column.nullable or column.server_default is not None)
    }
