"""Servers with an end: when each is stopped, who is asked before, and how far that is."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Make the table, empty: servers of before have no end."""
    op.create_table(
        "server_ends",
        sa.Column("server_id", sa.String(200), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("hostname", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("change_id", sa.String(40), nullable=False),
        sa.Column("owner", sa.JSON, nullable=False),
        sa.Column("origin", sa.JSON, nullable=False),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("ends_at", sa.Double, nullable=False),
        sa.Column("next_at", sa.Double, nullable=True),
        sa.Column("turn", sa.Integer, nullable=False),
        sa.Column("stop_id", sa.String(40), nullable=False),
        sa.Column("delete_id", sa.String(40), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("server_ends_by_look", "server_ends", ["next_at"])
    op.create_index("server_ends_by_change", "server_ends", ["change_id"])
