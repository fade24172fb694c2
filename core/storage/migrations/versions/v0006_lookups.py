"""Columns and indexes to find changes by: who is behind them, which server, which are open, which moved lately."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

OPEN = sa.text("lock IS NOT NULL")
NAMES = {"human": ("actor", "human"), "server": ("target", "id"), "hostname": ("target", "hostname")}


def upgrade() -> None:
    """Fill the columns from the stored rows; where these cannot be read they stay empty."""
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    for name in NAMES:
        op.add_column("changes", sa.Column(name, exact, nullable=False, server_default=""))
    for name, (column, key) in NAMES.items():
        changes = sa.table("changes", sa.column(name))
        op.execute(sa.update(changes).values({name: sa.func.lower(sa.literal_column(_value(column, key)))}))
    op.create_index("changes_by_human", "changes", ["human", "created_at"])
    op.create_index("changes_by_server", "changes", ["server", "created_at"])
    op.create_index("changes_by_hostname", "changes", ["hostname", "created_at"])
    op.create_index("changes_by_update", "changes", ["updated_at"])
    op.create_index("changes_open", "changes", ["created_at"], sqlite_where=OPEN, postgresql_where=OPEN)


def _value(column: str, key: str) -> str:
    """Return the expression for a text in a stored object, empty without it."""
    if op.get_bind().dialect.name == "postgresql":
        return f"coalesce({column} ->> '{key}', '')"
    return f"CASE WHEN json_valid({column}) THEN coalesce(json_extract({column}, '$.{key}'), '') ELSE '' END"
