"""One cache of compiled statements for all SQLite engines of a test process.

Each engine compiles every statement once for itself, and a test opens three: half of what was executed was compiled
again, which took a fifth of the suite's processor time.
"""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

CACHE: Final[dict[Any, Any]] = {}


class SharedDialect(SQLiteDialect_pysqlite):
    """A SQLite dialect with equal instances, as they compile alike: the key of a statement names its dialect."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SharedDialect)

    def __hash__(self) -> int:
        return hash(SharedDialect)

    @classmethod
    def engine_created(cls, engine: sa.Engine) -> None:
        """Let a new engine use the common cache of statements."""
        engine.update_execution_options(compiled_cache=CACHE)


def share_statements() -> None:
    """Make all SQLite engines that are made from now on share what they compile."""
    registry.register("sqlite", __name__, SharedDialect.__name__)
