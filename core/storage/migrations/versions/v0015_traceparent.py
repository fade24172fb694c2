"""The trace context that a change was requested in."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the column; changes of before belong to no trace that was recorded."""
    op.add_column("changes", sa.Column("traceparent", sa.String(55), nullable=True))
