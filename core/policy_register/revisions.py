"""The policy in force as it is stored, and whether it is as it was applied."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from vpsops.core.audit.records import is_whole, record_from
from vpsops.core.common.errors import StorageError
from vpsops.core.policy.model import short_version, version_of
from vpsops.core.policy_register.document import Document, document_from
from vpsops.core.sqlite.reader import json_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

    from vpsops.core.common.json_types import Json
    from vpsops.core.sqlite.reader import DatabaseView

EVENT: Final = "policy_applied"
BARRIER: Final = 1987080196
"""The key of the lock that keeps the policy unchanged while others decide by it, on a database with many writers."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A policy that was applied: its number in the history, and where it came from; `by` is a claim."""

    number: int
    version: str
    previous: str
    source: str
    by: Mapping[str, Json]
    at: float
    record: int
    text: str

    @property
    def document(self) -> Document:
        """The parsed document; raises `ConfigurationError` where this version does not understand it."""
        return document_from(self.text)

    @property
    def author(self) -> str:
        """Who applied it, as claimed."""
        return str(self.by.get("id", "")) or "unknown"


COLUMNS: Final = tuple(column.name for column in fields(Revision))
"""The columns that this version knows: a newer one may have added some to a table that is read here."""


class PolicyBrokenError(StorageError):
    """The policy in force was altered after it was applied: nothing is decided by it."""


def keep_still(connection: Connection) -> None:
    """Lock the policy in force until the commit; SQLite has one writer at a time anyway."""
    lock(connection, "pg_advisory_xact_lock_shared")


def lock(connection: Connection, function: str) -> None:
    """Take the policy's lock by one of PostgreSQL's functions."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT {function}({BARRIER})")


def head(view: DatabaseView) -> tuple[int, str]:
    """Return the number and version of the policy in force; 0 and an empty text before the first."""
    newest = view.rows("SELECT number, version FROM policies ORDER BY number DESC LIMIT 1")
    return (newest[0]["number"], newest[0]["version"]) if newest else (0, "")


def in_force(view: DatabaseView) -> Revision | None:
    """Return the policy in force, or nothing; raises `PolicyBrokenError`."""
    newest = view.rows("SELECT * FROM policies ORDER BY number DESC LIMIT 1")
    return checked(view, _revision(newest[0])) if newest else None


def _revision(row: Mapping[str, Any]) -> Revision:
    try:
        by = json_value(row["by"])
    except (ValueError, RecursionError):
        by = None
    if not (isinstance(by, dict) and isinstance(row["text"], str)):  # SQLite keeps any type in any column
        raise PolicyBrokenError(
            f"The policy in force ({short_version(str(row['version']))}) is not as it was applied: it cannot be read.",
            hint="The database was written to by other means: see vpsops audit verify, then vpsops policy apply FILE.",
        )
    return Revision(**{**{name: row[name] for name in COLUMNS}, "by": by})


def checked(view: DatabaseView, candidate: Revision) -> Revision:
    """Return a policy that is as it was applied; raises `PolicyBrokenError` where its text or record differs."""
    carried = view.rows("SELECT * FROM audit WHERE seq = :seq", seq=candidate.record)
    record = record_from(carried[0]) if carried else None
    body = record.body if record is not None and is_whole(record) and record.event == EVENT else {}
    if version_of(candidate.text) != candidate.version or (body.get("number"), body.get("version")) != (
        candidate.number,
        candidate.version,
    ):
        raise PolicyBrokenError(
            f"The policy in force ({short_version(candidate.version)}) is not as it was applied: the audit trail does"
            " not carry it, so nothing is decided by it.",
            hint="The database was written to by other means: see vpsops audit verify, then vpsops policy apply FILE.",
        )
    return candidate
