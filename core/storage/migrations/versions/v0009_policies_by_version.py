"""An index to find a policy by; code of schema 0008 may still decide by its own file, and must not stay beside ours."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the index."""
    op.create_index("policies_by_version", "policies", ["version"])
