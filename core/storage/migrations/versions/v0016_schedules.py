"""When a change may be sent, where that is later than at once."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the columns; every change of before may be sent at once."""
    op.add_column("changes", sa.Column("run_at", sa.Double, nullable=True))
    op.add_column("changes", sa.Column("schedule", sa.JSON, nullable=True))
