"""The routes that the API did not offer, by region."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the table, empty: what is not offered is learned again."""
    op.create_table(
        "absent_routes",
        sa.Column("api", sa.String(64), primary_key=True),
        sa.Column("route", sa.String(60), primary_key=True),
        sa.Column("region", sa.String(100), primary_key=True),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("learned_at", sa.Double, nullable=False),
        sa.Column("regions", sa.JSON, nullable=False),
    )
