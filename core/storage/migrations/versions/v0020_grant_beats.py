"""Grants: the heartbeat at which one was opened, by which its time is counted beside the date."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the column; grants of before end by the date alone."""
    op.add_column("grants", sa.Column("opened_beat", sa.Double, nullable=True))
