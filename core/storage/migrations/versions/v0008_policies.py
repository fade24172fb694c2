"""The policy in force and those before it; the policy that each process was started with."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the table, empty: the first process that starts puts its own policy in force."""
    op.add_column("processes", sa.Column("policy", sa.String(80), nullable=False, server_default=""))
    op.add_column("processes", sa.Column("policy_source", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "policies",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.String(80), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("previous", sa.String(80), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("by", sa.JSON, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("record", sa.BigInteger, nullable=False),
    )
