"""Grants: trust in an agent for a time, and what voters would grant."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Make the table, empty, and the column: a vote of before granted nothing but its change."""
    op.add_column("votes", sa.Column("granted", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "grants",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("source", sa.String(40), nullable=False, unique=True),
        sa.Column("agent_id", sa.String(200), nullable=False),
        sa.Column("agent", sa.JSON, nullable=False),
        sa.Column("origin", sa.JSON, nullable=False),
        sa.Column("operation", sa.String(40), nullable=False),
        sa.Column("arguments", sa.JSON, nullable=False),
        sa.Column("target", sa.JSON, nullable=False),
        sa.Column("servers", sa.JSON, nullable=False),
        sa.Column("states", sa.JSON, nullable=False),
        sa.Column("ruling", sa.JSON, nullable=False),
        sa.Column("uses", sa.Integer, nullable=False),
        sa.Column("used", sa.Integer, nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double, nullable=True),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("grants_open", "grants", ["state", "until"])
    op.create_index("grants_by_agent", "grants", ["agent_id", "state"])
