"""The policies that were applied to a database, in their order: the last one is in force.

Each is a row that names its audit record. A row with a text or record that differs from what was stored decides
nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.common.errors import InvalidInputError, StaleChangeError
from vpsops.core.common.json_types import Json
from vpsops.core.messaging import outbox
from vpsops.core.policy.model import short_version
from vpsops.core.policy_register import revisions
from vpsops.core.policy_register.document import Document
from vpsops.core.policy_register.revisions import EVENT, Revision, lock
from vpsops.core.sqlite.reader import ConnectionView
from vpsops.core.storage.tables import POLICIES

TOPIC: Final = "policy"
MOST_NEWS: Final = 1000
LEAST: Final = 8
"""The fewest characters of a version that name it: `pol_` and four digits."""


@dataclass(frozen=True, slots=True)
class Application:
    """A request to put a document in force; `over` is the number in force as far as the requester knows."""

    document: Document
    over: int
    by: Mapping[str, Json]
    at: float
    source: str
    summary: str = ""


def head(connection: Connection) -> tuple[int, str]:
    """Return the number and version of the policy in force; 0 and an empty text before the first."""
    return revisions.head(ConnectionView(connection))


def in_force(connection: Connection) -> Revision | None:
    """Return the policy in force, or nothing; raises `PolicyBrokenError`."""
    return revisions.in_force(ConnectionView(connection))


def _revision(row: sa.Row[tuple[object, ...]]) -> Revision:
    return Revision(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping


def history(connection: Connection, limit: int = 50) -> list[Revision]:
    """Return the policies that were applied, the newest first."""
    query = sa.select(POLICIES).order_by(POLICIES.c.number.desc()).limit(limit)
    return [_revision(row) for row in connection.execute(query)]


def named(connection: Connection, name: str) -> Revision:
    """Return the newest policy by the start of its version, or by its number; raises `InvalidInputError`."""
    if name.isascii() and name.isdigit() and len(name) < 10:  # noqa: PLR2004 - a number that the database can hold
        query = sa.select(POLICIES).where(POLICIES.c.number == int(name))
    else:
        word = name if name.startswith("pol_") else f"pol_{name}"
        if len(word) < LEAST:
            raise InvalidInputError(f"{name!r} is too short for a version.", hint="See vpsops policy history.")
        query = sa.select(POLICIES).where(POLICIES.c.version.startswith(word, autoescape=True))
    rows = [_revision(row) for row in connection.execute(query.order_by(POLICIES.c.number.desc()))]
    versions = {row.version for row in rows}
    if len(versions) != 1:
        what = "There is no policy" if not versions else "There are several policies"
        raise InvalidInputError(f"{what} of version {name[:80]!r}.", hint="See vpsops policy history.")
    return revisions.checked(ConnectionView(connection), rows[0])


def apply(connection: Connection, application: Application) -> Revision:
    """Put a document in force, on record; raises `StaleChangeError` if another was applied since it was read."""
    lock(connection, "pg_advisory_xact_lock")
    number, version = head(connection)
    if number != application.over:
        raise StaleChangeError(
            f"Another policy was applied meanwhile: {short_version(version)} is in force now. Nothing was applied.",
            hint="See what would change now: vpsops policy diff.",
        )
    body: dict[str, Json] = {
        "by": dict(application.by),
        "number": number + 1,
        "version": application.document.version,
        "previous": version,
        "source": application.source,
        "text": application.summary,
    }
    record = chain.append(connection, application.at, EVENT, None, body)
    made = {"number": number + 1, "version": application.document.version, "previous": version, "record": record.seq}
    stored = {
        "text": application.document.text,
        "source": application.source,
        "by": dict(application.by),
        "at": application.at,
    }
    connection.execute(sa.insert(POLICIES).values(**made, **stored))
    if number:
        when = datetime.fromtimestamp(application.at, UTC)
        outbox.put(connection, TOPIC, "event", {"text": _news(application, version)}, when)
    return Revision(number + 1, application.document.version, version, **stored, record=record.seq)  # type: ignore[arg-type]


def _news(application: Application, previous: str) -> str:
    """Post the applied policy to a channel: it was applied at a terminal, without approval."""
    who = str(application.by.get("id", "")) or "unknown"
    versions = f"{short_version(application.document.version)} instead of {short_version(previous)}"
    text = (
        f"Another policy is in force for all processes: {versions}, applied by {who} (claimed). {application.summary}"
    )
    return text if len(text) <= MOST_NEWS else f"{text[: MOST_NEWS - 1]}…"
