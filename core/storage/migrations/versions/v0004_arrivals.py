"""When a delivery arrived, which does not move while it is in hand."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; what an older version stored has no such time."""
    op.add_column("inbox", sa.Column("arrived_at", sa.Double, nullable=True))
