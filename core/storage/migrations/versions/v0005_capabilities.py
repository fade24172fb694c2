"""The requirements of a change on its process, how often its run broke, and the capability of each process."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns; rows of older versions need nothing new, and an older process claims nothing new."""
    op.add_column("changes", sa.Column("format", sa.Integer, nullable=False, server_default="1"))
    op.add_column("changes", sa.Column("breaks", sa.Integer, nullable=False, server_default="0"))
    op.add_column("processes", sa.Column("format", sa.Integer, nullable=False, server_default="1"))
    op.add_column("processes", sa.Column("operations", sa.JSON, nullable=False, server_default="[]"))
