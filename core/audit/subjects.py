"""Who and what a record of the trail is about, as far as it can be read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vpsops.core.audit.records import TrailRecord
from vpsops.core.common.json_types import Json
from vpsops.core.identity.actors import Actor, ActorKind

PEOPLE = ("actor", "by")
IDS = ("id", "human", "account")
NAME = ("name",)
SERVERS = ("target", "server", "hostname", "server_id")


@dataclass(frozen=True, slots=True)
class RecordSubject:
    """The server and people that a record is about, in lower case; `ids` are the people without self-chosen names."""

    servers: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()


NOBODY = RecordSubject()


def subject_of(body: Mapping[str, Json]) -> RecordSubject:
    """Return the server and the people that a record itself names."""
    servers = frozenset[str]().union(*(names_of_server(body.get(name)) for name in SERVERS))
    known, named = (
        frozenset(_texts([part_of(body, person, key) for person in PEOPLE for key in keys])) for keys in (IDS, NAME)
    )
    return RecordSubject(servers, known | named, known)


def names_of_server(target: Json) -> frozenset[str]:
    """Return the names of a server in a record: its id, its hostname, and the first labels of both."""
    texts = [target.get("id"), target.get("hostname")] if isinstance(target, Mapping) else [target]
    full = list(_texts(texts))
    return frozenset([*full, *(name.split(".")[0] for name in full)])


def _texts(values: Sequence[Json]) -> Iterator[str]:
    return (value.casefold() for value in values if isinstance(value, str) and value)


def name_in(body: Mapping[str, Json]) -> str:
    """Return who did or requested the recorded event; the name that an agent gave itself is marked as its claim."""
    for part in ("by", "actor"):
        kind, name, ident = (part_of(body, part, key) for key in ("kind", "name", "id"))
        known = name or ident
        if isinstance(known, str) and known:
            return Actor(ActorKind.AGENT, "", known).cited if kind == ActorKind.AGENT else known
    return ""


def part_of(body: Mapping[str, Json], name: str, key: str) -> Json:
    """Return a value of a part of a record, such as the id of who asked."""
    inner = body.get(name)
    return inner.get(key) if isinstance(inner, Mapping) else None


def body_of(record: TrailRecord) -> Mapping[str, Json]:
    """Return a record's data; one that cannot be read has none."""
    try:
        body: Json = record.body
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
