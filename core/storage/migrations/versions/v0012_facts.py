"""The facts that a change was shown with, beside its server, its price and its effect."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the column, empty: changes of earlier versions have no such facts."""
    op.add_column("changes", sa.Column("facts", sa.JSON, nullable=True))
