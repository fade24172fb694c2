"""The arrival time of a delivery, which does not move while it is processed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; rows of older versions have no such time."""
    op.add_column("inbox", sa.Column("arrived_at", sa.Double, nullable=True))
