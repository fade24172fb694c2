"""Runbooks: of a plan's member, the step of a runbook that it is."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add the column; members of before are of no runbook."""
    op.add_column("plan_members", sa.Column("part", sa.JSON(none_as_null=True), nullable=True))
