"""Registered runbooks: the text of each by its name, and the record that it was applied by."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Make the table, empty: runbooks of before are files."""
    op.create_table(
        "runbooks",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("version", sa.String(80), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("by", sa.JSON, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("record", sa.BigInteger, nullable=False),
    )
