"""Queries for the trail's records, and one line for people for each record."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.audit.records import TrailRecord
from vpsops.core.audit.subjects import NOBODY, PEOPLE, RecordSubject, body_of, names_of_server, part_of, subject_of
from vpsops.core.common.json_types import Json
from vpsops.core.console.terminal import cell, when
from vpsops.core.identity import serialization
from vpsops.core.identity.actors import ActorKind
from vpsops.core.storage import rows
from vpsops.core.storage.rows import JsonText
from vpsops.core.storage.tables import CHANGES

WORDS = 160
PAGE = 500
LONGEST_NAME = 80
NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})
FURTHEST = 5_000  # how many records are searched for those of a person


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """A filter for records; empty fields do not matter."""

    server: str = ""
    person: str = ""
    change: str = ""
    teams: frozenset[str] = frozenset()
    """The workspaces to show the records of; empty for all."""

    def sieve(self, connection: Connection, records: Sequence[TrailRecord]) -> list[TrailRecord]:
        """Return the records that fit."""
        records = of_teams(connection, records, self.teams)
        if self.change:
            records = [record for record in records if record.change_id == self.change]
        if not (self.server or self.person):
            return list(records)
        changes = subjects(connection, {record.change_id for record in records if record.change_id})
        return [record for record in records if self._fits(record, changes.get(record.change_id or "", NOBODY))]

    def _fits(self, record: TrailRecord, change: RecordSubject) -> bool:
        own = subject_of(body_of(record))
        return (not self.server or self.server.casefold() in change.servers | own.servers) and (
            not self.person or self.person.casefold() in change.people | own.people
        )


def of_teams(connection: Connection, records: Sequence[TrailRecord], teams: frozenset[str]) -> Sequence[TrailRecord]:
    """Return the records of some workspaces, of all for an empty set; one that names none is the operator's alone."""
    if not teams:
        return records
    ids = {record.change_id for record in records if record.change_id}
    query = sa.select(CHANGES.c.id).where(CHANGES.c.id.in_(ids), JsonText(CHANGES.c.origin, "team").in_(sorted(teams)))
    known = set(connection.scalars(query))
    return [
        record
        for record in records
        if (record.change_id in known if record.change_id else body_of(record).get("team") in teams)
    ]


def newest_of(
    connection: Connection, people: frozenset[str], limit: int, teams: frozenset[str] = frozenset()
) -> list[TrailRecord]:
    """Return the last records of a person, by all their ids (in lower case): their changes and their actions."""
    collected: list[TrailRecord] = []
    before: int | None = None
    for _ in range(FURTHEST // PAGE):
        records = chain.newest(connection, PAGE, before=before)
        changes = subjects(connection, {record.change_id for record in records if record.change_id})
        own = [team for team in of_teams(connection, records, teams) if people & _ids(team, changes)]
        collected = own[-(limit - len(collected)) :] + collected
        if len(collected) >= limit or len(records) < PAGE:
            break
        before = records[0].seq
    return collected


def _ids(record: TrailRecord, changes: Mapping[str, RecordSubject]) -> frozenset[str]:
    return subject_of(body_of(record)).ids | changes.get(record.change_id or "", NOBODY).ids


def subjects(connection: Connection, ids: set[str]) -> Mapping[str, RecordSubject]:
    """Return the subjects of some changes and who requested them."""
    query = sa.select(CHANGES.c.id, CHANGES.c.target, CHANGES.c.actor).where(CHANGES.c.id.in_(ids))
    return dict(rows.read(connection, query, CHANGES.c.id, _subject).rows)


def _subject(row: sa.RowMapping) -> tuple[str, RecordSubject]:
    actor = serialization.actor_of(row["actor"])
    names = actor.identities | {actor.name.casefold()}
    return row["id"], RecordSubject(names_of_server(row["target"]), names, actor.identities)


def humans_of(records: Iterable[TrailRecord]) -> frozenset[str]:
    """Return the people behind who did what is recorded, as they are called there."""
    humans = (part_of(body_of(record), name, "human") for record in records for name in PEOPLE)
    return frozenset(human for human in humans if isinstance(human, str))


def named_human(human: str, names: Mapping[str, str]) -> str:
    """Return what a person is called, with the name of their account where one is known."""
    return f"{cell(names[human], LONGEST_NAME)} ({cell(human)})" if human in names else cell(human)


def record_summary(record: TrailRecord, names: Mapping[str, str] = NO_NAMES) -> str:
    """Return a record as one line; `names` are those of accounts, see `account_names`."""
    body = body_of(record)
    parts = [
        _what(body),
        _who(body, names),
        _decision(body),
        *(_quoted(body, name) for name in ("reason", "why", "note", "text", "evidence")),
    ]
    text = "; ".join(part for part in parts if part)
    head = [f"#{record.seq}", when(record.at), cell(record.event, 40), cell(record.change_id or "-", 40)]
    return "  ".join([*head, text]).rstrip()


def _what(body: Mapping[str, Json]) -> str:
    target = body.get("target")
    names = [body.get("operation"), part_of(body, "target", "hostname") if isinstance(target, Mapping) else target]
    return " ".join(cell(name) for name in names if name)


def _who(body: Mapping[str, Json], names: Mapping[str, str]) -> str:
    for name in PEOPLE:
        ident, known, human = (part_of(body, name, key) for key in ("id", "name", "human"))
        if ident:
            claims = "calls itself " if part_of(body, name, "kind") == ActorKind.AGENT else ""
            author = f"by {cell(ident)}" + (f" ({claims}{cell(known)})" if known and (claims or known != ident) else "")
            return author + (f" for {named_human(str(human), names)}" if human and human != ident else "")
    return ""


def _decision(body: Mapping[str, Json]) -> str:
    if body.get("verdict"):
        return f"votes {cell(body['verdict'])}"
    if not body.get("decision"):
        return f"now {cell(body['state'])}" if body.get("state") else ""
    rules = body.get("rules")
    named = f" by {cell(', '.join(map(str, rules)))}" if isinstance(rules, list) and rules else ""
    return f"policy says {cell(body['decision'])}{named}"


def _quoted(body: Mapping[str, Json], name: str) -> str:
    return f'{name} "{cell(body[name], WORDS)}"' if body.get(name) else ""
