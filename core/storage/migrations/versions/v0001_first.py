"""The first schema: changes, votes, audit, outbox, copies, inbox, processes, leases."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "changes",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("operation", sa.String(40), nullable=False),
        sa.Column("key", sa.String(255), nullable=True, unique=True),  # deduplicates requests
        sa.Column("lock", sa.String(300), nullable=True, unique=True),  # at most one change acts on a server
        sa.Column("arguments", sa.JSON, nullable=False),
        sa.Column("target", sa.JSON, nullable=False),
        sa.Column("actor", sa.JSON, nullable=False),
        sa.Column("actor_id", sa.String(200), nullable=False),
        sa.Column("origin", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("ruling", sa.JSON, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("cost", sa.Text, nullable=False),
        sa.Column("effect", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=True),
        sa.Column("remind_at", sa.Double, nullable=True),
        sa.Column("sent_at", sa.Double, nullable=True),
        sa.Column("settled_at", sa.Double, nullable=True),
        sa.Column("result", sa.JSON, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("overdue", sa.Boolean, nullable=False),
        sa.Column("last_uptime", sa.BigInteger, nullable=True),
        sa.Column("owner", sa.String(80), nullable=True),  # the process that runs it
        sa.Column("sends", sa.Integer, nullable=False),  # how often a surely unprocessed send was begun
    )
    op.create_index("changes_by_state", "changes", ["state", "expires_at"])
    op.create_index("changes_by_age", "changes", ["created_at"])
    op.create_index("changes_by_actor", "changes", ["actor_id", "created_at"])
    op.create_table(
        "votes",
        sa.Column("change_id", sa.String(40), sa.ForeignKey("changes.id"), primary_key=True),
        sa.Column("voter_id", sa.String(200), primary_key=True),
        sa.Column("voter", sa.JSON, nullable=False),
        sa.Column("verdict", sa.String(10), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("event", sa.String(40), nullable=False),
        sa.Column("change_id", sa.String(40), nullable=True),
        sa.Column("record", sa.Text, nullable=False),  # canonical JSON, what is hashed
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("audit_by_change", "audit", ["change_id"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("topic", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),  # waiting, done, dead
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("not_before", sa.Double, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(80), nullable=True),
        sa.Column("until", sa.Double, nullable=True),
        sa.Column("error", sa.Text, nullable=False),
        sqlite_autoincrement=True,  # a number is never reused: a late report about a message must not hit another
    )
    op.create_index("outbox_by_state", "outbox", ["state", "not_before"])
    op.create_table(
        "copies",
        sa.Column("topic", sa.String(80), primary_key=True),
        sa.Column("channel", sa.String(40), primary_key=True),
        sa.Column("ts", sa.String(40), primary_key=True),
        sa.Column("purpose", sa.String(40), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "inbox",
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("done_at", sa.Double, nullable=True),
    )
    op.create_index("inbox_by_age", "inbox", ["done_at", "received_at"])
    op.create_table(
        "processes",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("front", sa.String(20), nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("beat", sa.Double, nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )
    op.bulk_insert(
        sa.table("audit_head", sa.column("id"), sa.column("seq"), sa.column("hash")),
        [{"id": 1, "seq": 0, "hash": "0" * 64}],
    )
