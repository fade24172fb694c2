"""Which topics a posted message belongs to: asked for by its place at every click and in every thread."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Index the copies by their place: the primary key begins with the topic."""
    op.create_index("copies_by_place", "copies", ["channel", "ts"])
