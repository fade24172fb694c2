"""Plans: the members of one question about many servers, and of a change, the plan that it is a member of."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the table and the column; changes of before belong to no plan."""
    op.add_column("changes", sa.Column("plan", sa.String(40), nullable=True))
    op.create_table(
        "plan_members",
        sa.Column("plan_id", sa.String(40), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("operation", sa.String(40), nullable=False),
        sa.Column("arguments", sa.JSON, nullable=False),
        sa.Column("target", sa.JSON, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("change_id", sa.String(40), nullable=True),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("moved_at", sa.Double, nullable=True),
    )
