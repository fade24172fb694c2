"""The current state in the product's own database, by the core's public functions: changes, trail, messages."""

from collections.abc import Sequence

from sqlalchemy.engine import Connection

from vpsops.core.app import Runtime
from vpsops.core.audit import chain as audit
from vpsops.core.audit.records import TrailRecord
from vpsops.core.changes.model import Change, Vote
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.messaging.outbox import topic_of
from vpsops.core.messaging.posted_messages import PostedMessage
from vpsops.playground.slack.workspace.protocol import Json

CHANGES = 12
RECORDS = 60
PAGE = 1000


async def read_truth(runtime: Runtime) -> Json:
    """Return the newest changes with their votes, trail and posted messages, and the whole chain's verdict."""
    changes = await runtime.core.changes.list(limit=CHANGES, scope=OPERATOR)
    copies = {change.id: await runtime.core.outbox.copies(topic_of(change.id)) for change in changes}
    chain = await runtime.database.read(_chain)
    trails = await runtime.database.read(
        lambda connection: {change.id: _trail(connection, change.id) for change in changes}
    )
    return {"changes": [_change(change, trails[change.id], copies[change.id]) for change in changes], "chain": chain}


def _trail(connection: Connection, change_id: str) -> list[Json]:
    return [_record(item) for item in audit.read(connection, change_id=change_id)]


def _chain(connection: Connection) -> Json:
    records: list[TrailRecord] = []
    while page := audit.read(connection, after=records[-1].seq if records else 0, limit=PAGE):
        records += page
    head = audit.head(connection)
    faults = [item.what for item in audit.verify(records, head)]
    return {"records": [_record(record) for record in records[-RECORDS:]], "count": len(records), "faults": faults} | {
        "head": head[1]
    }


def _record(record: TrailRecord) -> Json:
    names = ("seq", "at", "event", "change_id", "hash", "previous")
    return {**{name: getattr(record, name) for name in names}, "body": dict(record.body)}


def _change(change: Change, trail: Sequence[Json], copies: Sequence[PostedMessage]) -> Json:
    return {
        "id": change.id,
        "version": change.version,
        "state": change.state.value,
        "operation": change.operation,
        "hostname": change.target.hostname,
        "arguments": {name: value for name, value in change.arguments.items() if name != "ssh_keys"},
        "actor": {"kind": change.actor.kind.value, "name": change.actor.label, "human": change.actor.human},
        "front": change.origin.front,
        "reason": change.reason,
        "decision": change.ruling.decision.value,
        "rules": list(change.ruling.rules),
        "needed": change.ruling.votes,
        "approvals": change.approvals,
        "votes": [_vote(vote) for vote in change.votes],
        "digest": change.digest,
        "note": change.note,
        "cost": change.cost,
        "overdue": change.overdue,
        "seconds": change.seconds,
        "created_at": change.created_at.isoformat(),
        "expires_at": change.expires_at.isoformat() if change.expires_at else None,
        "trail": list(trail),
        "copies": [{"purpose": copy.purpose, "channel": copy.channel, "ts": copy.ts} for copy in copies],
    }


def _vote(vote: Vote) -> Json:
    return {
        "who": vote.voter.label,
        "verdict": vote.verdict.value,
        "reason": vote.reason,
        "evidence": vote.evidence,
        "at": vote.at.isoformat(),
    }
