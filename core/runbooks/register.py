"""The runbooks that were applied to a database, one of each name, on record.

Every function works inside the caller's transaction. A row names its audit record; one with a text or record that
differs from what was applied is never run.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.audit.records import is_whole
from vpsops.core.common.errors import InvalidInputError, StaleChangeError
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import bound, count_text
from vpsops.core.messaging import outbox
from vpsops.core.operations.traits import word_of
from vpsops.core.policy.model import short_version
from vpsops.core.runbooks.loader import load_runbook
from vpsops.core.runbooks.model import Runbook, RunbookBrokenError
from vpsops.core.storage.tables import AUDIT, RUNBOOKS

APPLIED: Final = "runbook_applied"
REMOVED: Final = "runbook_removed"
MOST_RUNBOOKS: Final = 50
"""Runbooks of a database: a list in chat shows all of them."""
TOPIC: Final = "runbook"
MOST_NEWS: Final = 1000
MOST_NEAR: Final = 3
"""Names that a hint offers for an unknown name."""
MOST_NAMED: Final = 10
BARRIER: Final = 1987080197
"""The key of the lock under which runbooks are applied one after another, on a database with many writers."""


class UnknownRunbookError(InvalidInputError):
    """There is no runbook of that name, or none that the asker may see."""


@dataclass(frozen=True, slots=True)
class RegisteredRunbook:
    """A runbook as it was applied; `by` is a claim, `at` in seconds since 1970, `problem` says why it is never run."""

    name: str
    number: int
    version: str
    text: str
    source: str
    by: Mapping[str, Json]
    at: float
    record: int
    problem: str = ""

    @property
    def runbook(self) -> Runbook:
        """The runbook; raises `RunbookBrokenError`, and `RunbookError` where this version does not understand it."""
        self.check()
        return load_runbook(self.text, self.name)

    def check(self) -> None:
        """Raise `RunbookBrokenError` where it is not as it was applied."""
        if self.problem:
            raise RunbookBrokenError(
                f"The runbook {self.name} {self.problem}.",
                hint="The database was written to by other means: see vpsops audit verify, then vpsops runbook apply.",
            )

    @property
    def author(self) -> str:
        """Who applied it, as claimed."""
        return str(self.by.get("id", "")) or "unknown"


@dataclass(frozen=True, slots=True)
class RunbookText:
    """A runbook's file: what it holds, its text and where it is from."""

    runbook: Runbook
    source: str

    @property
    def version(self) -> str:
        """The version of its text."""
        return version_of(self.runbook.text)


@dataclass(frozen=True, slots=True)
class RunbookApplication:
    """A request to store runbooks; `over` has the version of each name as far as the requester knows."""

    files: Sequence[RunbookText]
    over: Mapping[str, str]
    by: Mapping[str, Json]
    at: float


def version_of(text: str) -> str:
    """Return the version of a runbook's text: its whole SHA-256, so that no two texts have the same."""
    return f"rbk_{hashlib.sha256(text.encode()).hexdigest()}"


def all_runbooks(connection: Connection) -> list[RegisteredRunbook]:
    """Return all of them by their names; one that was altered has its problem."""
    query = sa.select(RUNBOOKS).order_by(RUNBOOKS.c.name).limit(MOST_RUNBOOKS)
    return [_checked(connection, row) for row in connection.execute(query).mappings()]


def find(connection: Connection, name: str) -> RegisteredRunbook | None:
    """Return the runbook of a name, if there is one; one that was altered has its problem."""
    row = connection.execute(sa.select(RUNBOOKS).where(RUNBOOKS.c.name == name)).mappings().one_or_none()
    return None if row is None else _checked(connection, row)


def _checked(connection: Connection, row: sa.RowMapping) -> RegisteredRunbook:
    texts = {name: value if isinstance(value := row[name], str) else "" for name in ("version", "text", "source")}
    by = row["by"] if isinstance(row["by"], dict) else {}
    stored = RegisteredRunbook(row["name"], row["number"], **texts, by=by, at=row["at"], record=row["record"])
    carried = _applied_by(connection, stored.record)
    expected = (stored.name, stored.number, stored.version)
    if version_of(stored.text) == stored.version and carried == expected:
        return stored
    return replace(stored, problem="is not as it was applied: the audit trail does not carry it")


def _applied_by(connection: Connection, seq: object) -> tuple[object, object, object] | None:
    """Return the name, number and version in the record of an application, if it is a whole one."""
    row = connection.execute(sa.select(AUDIT).where(AUDIT.c.seq == seq)).one_or_none()
    record = chain.record_from_row(row) if row is not None else None
    if record is None or record.event != APPLIED or not is_whole(record):
        return None
    return (record.body.get("runbook"), record.body.get("number"), record.body.get("version"))


def apply(connection: Connection, asked: RunbookApplication) -> list[RegisteredRunbook]:
    """Store runbooks, each on record, and return those that were not there with this text; all of them or none.

    Raises `StaleChangeError` if one was applied or removed since it was read, `InvalidInputError` if they are too many.
    """
    _lock(connection)
    present = {runbook.name: runbook for runbook in all_runbooks(connection)}
    for file in asked.files:
        name = file.runbook.name
        _check_unmoved(name, present.get(name), asked.over.get(name, ""))
    new = [file for file in asked.files if differs(present.get(file.runbook.name), file)]
    count = len(present.keys() | {file.runbook.name for file in new})
    if count > MOST_RUNBOOKS:
        raise InvalidInputError(
            f"That would be {count} runbooks, and a database has at most {MOST_RUNBOOKS}. Nothing was applied.",
            hint="Remove some first: vpsops runbook remove NAME.",
        )
    return [_store(connection, file, present.get(file.runbook.name), asked) for file in new]


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({BARRIER})")


def differs(present: RegisteredRunbook | None, file: RunbookText) -> bool:
    """Return whether a file is not what is there by its name."""
    return present is None or bool(present.problem) or present.version != file.version


def _check_unmoved(name: str, present: RegisteredRunbook | None, over: str) -> None:
    version = present.version if present is not None else ""
    if version != over:
        what = f"{short_version(version)} is there now" if version else "it is gone now"
        raise StaleChangeError(f"The runbook {name} was changed meanwhile: {what}. Nothing was applied.")


def _store(
    connection: Connection, file: RunbookText, before: RegisteredRunbook | None, asked: RunbookApplication
) -> RegisteredRunbook:
    runbook, number = file.runbook, before.number + 1 if before is not None else 1
    body = _body(runbook.name, asked.by, number, file.version, before, summary_of(runbook))
    record = chain.append(connection, asked.at, APPLIED, None, body | {"source": file.source})
    stored: dict[str, Any] = {
        "number": number,
        "version": file.version,
        "text": runbook.text,
        "source": file.source,
        "by": dict(asked.by),
        "at": asked.at,
        "record": record.seq,
    }
    if before is None:
        connection.execute(sa.insert(RUNBOOKS).values(name=runbook.name, **stored))
    else:
        connection.execute(sa.update(RUNBOOKS).where(RUNBOOKS.c.name == runbook.name).values(**stored))
        versions = f"{short_version(file.version)} instead of {short_version(before.version)}"
        _tell(connection, f"The runbook {runbook.name} is another one now: {versions}, applied by", asked.by, asked.at)
    return RegisteredRunbook(runbook.name, **stored)


def remove(connection: Connection, name: str, by: Mapping[str, Json], at: float) -> RegisteredRunbook:
    """Remove a runbook, on record, and return it; raises `UnknownRunbookError`."""
    _lock(connection)
    before = find(connection, name)
    if before is None:
        raise unknown_runbook(name, [runbook.name for runbook in all_runbooks(connection)])
    chain.append(connection, at, REMOVED, None, _body(name, by, before.number, "", before, ""))
    connection.execute(sa.delete(RUNBOOKS).where(RUNBOOKS.c.name == name))
    _tell(connection, f"The runbook {name} ({short_version(before.version)}) was removed by", by, at)
    return before


def _body(  # noqa: PLR0913 - one record, all of it named
    name: str,
    by: Mapping[str, Json],
    number: int,
    version: str,
    before: RegisteredRunbook | None,
    text: str,
) -> dict[str, Json]:
    return {
        "by": dict(by),
        "runbook": name,
        "number": number,
        "version": version,
        "previous": before.version if before is not None else "",
        "text": text,
    }


def _tell(connection: Connection, what: str, by: Mapping[str, Json], at: float) -> None:
    """Post what became of a runbook to the channel for notices: it was done at a terminal, without approval."""
    text = f"{what} {str(by.get('id', '')) or 'unknown'} (claimed). What is asked for already stays as it was shown."
    outbox.put(connection, TOPIC, "event", {"text": bound(text, MOST_NEWS)}, datetime.fromtimestamp(at, UTC))


def summary_of(runbook: Runbook) -> str:
    """Return a runbook's steps in a line: `4 steps: snapshot, stop, resize, start`."""
    steps = ", ".join(word_of(step.operation) for step in runbook.steps)
    return f"{count_text(len(runbook.steps), 'step')}: {steps}"


def unknown_runbook(name: str, known: Sequence[str]) -> UnknownRunbookError:
    """Return the error for a name that no visible runbook has."""
    hint = _hint_for(name, known) if known else "There are none; vpsops runbook apply FILE stores one."
    return UnknownRunbookError(f"There is no runbook called {name[:60]!r}.", hint=hint)


def _hint_for(name: str, known: Sequence[str]) -> str:
    """Return the nearest names, the nearest first; where none is near, the first names that there are."""
    word = name.lower()
    near = get_close_matches(word, known, n=MOST_NEAR)
    near += [each for each in known if word and (word in each or each in word) and each not in near]
    if near:
        first = near[:MOST_NEAR]
        return f"Did you mean {' or '.join(filter(None, (', '.join(first[:-1]), first[-1])))}?"
    more = len(known) - MOST_NAMED
    return f"There are {', '.join(known[:MOST_NAMED])}{f' and {more} more' if more > 0 else ''}."
