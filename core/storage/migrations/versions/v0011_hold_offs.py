"""The provider's requests to wait, and until when each approved change does."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the table and the column, empty: a wish that an older version stored was for a minute at most."""
    op.add_column("changes", sa.Column("not_before", sa.Double, nullable=True))
    op.create_table(
        "hold_offs",
        sa.Column("scope", sa.String(300), primary_key=True),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )
