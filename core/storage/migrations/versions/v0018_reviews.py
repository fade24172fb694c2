"""Changes that their asker ran without votes, and the reviews of them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Make the column and the table, empty: no change was run without votes before."""
    op.add_column("changes", sa.Column("overridden", sa.JSON, nullable=True))
    op.create_table(
        "reviews",
        sa.Column("change_id", sa.String(40), sa.ForeignKey("changes.id"), primary_key=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("remind_at", sa.Double, nullable=True),
        sa.Column("reminders", sa.Integer, nullable=False),
        sa.Column("closed_at", sa.Double, nullable=True),
    )
    op.create_index("reviews_by_state", "reviews", ["state", "remind_at"])
