"""People's settings: switches, preferences, subscriptions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "switches",
        sa.Column("name", sa.String(40), primary_key=True),  # such as "agents_paused"
        sa.Column("value", sa.JSON, nullable=False),
        sa.Column("by", sa.JSON, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "preferences",
        sa.Column("team", sa.String(40), primary_key=True),
        sa.Column("person", sa.String(200), primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("team", sa.String(40), nullable=False),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("servers", sa.JSON, nullable=False),  # hostname patterns
        sa.Column("options", sa.JSON, nullable=False),  # quiet hours, thresholds
        sa.Column("by", sa.JSON, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_index("subscriptions_by_channel", "subscriptions", ["team", "channel"])
