"""What a change needs of the process that runs it, how often its run broke, and what each process can run."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns; what an older version stored needs nothing new, and an older process claims nothing new."""
    op.add_column("changes", sa.Column("format", sa.Integer, nullable=False, server_default="1"))
    op.add_column("changes", sa.Column("breaks", sa.Integer, nullable=False, server_default="0"))
    op.add_column("processes", sa.Column("format", sa.Integer, nullable=False, server_default="1"))
    op.add_column("processes", sa.Column("operations", sa.JSON, nullable=False, server_default="[]"))
