"""From the words of a request to the servers of a plan."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.operations.server_lookup import ServerIndex, clean
from vpsops.core.operations.servers import ListArguments, is_matching, unknown_facts
from vpsops.core.policy.context import ServerPatterns, is_glob
from vpsops.core.wayscloud.answers.models import ProviderList, Server

MOST_WORDS: Final = 1000
FILTERS: Final = ("state", "region", "label")
FILTER: Final = re.compile(r"(state|region|label):(.+)", re.IGNORECASE)
GLOB: Final = re.compile(r"[a-z0-9*?\[\]._-]{1,253}")


@dataclass(frozen=True, slots=True)
class Selection:
    """The servers that a request is about: names and patterns, narrowed by filters; without names, every server."""

    names: tuple[str, ...] = ()
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The selection as it is typed."""
        return " ".join((*self.names, *(f"{key}:{value}" for key, value in self.filters.items())))

    @property
    def is_many(self) -> bool:
        """Return whether it can mean more than one server."""
        return bool(self.filters) or len(self.names) > 1 or any(map(is_glob, self.names))


@dataclass(frozen=True, slots=True)
class SelectedServers:
    """The servers that are meant, in the order of the words, then of their names; `explicit` are ids of those named.

    `lack` says, in sentences, what is not known, so that a server may be missing. `named` are the servers of `explicit`
    before the filters.
    """

    servers: tuple[Server, ...]
    explicit: frozenset[str] = frozenset()
    lack: str = ""
    named: tuple[Server, ...] = ()


def separate_names(words: Sequence[str]) -> list[str]:
    """Return words with names that commas join taken apart: `web01,web02`; filters and words with spaces stay whole.

    A word without a name stays as well, so that it is refused as one: without names every server would be meant.
    """
    return [name for word in words for name in _joined_names(word)]


def _joined_names(word: str) -> list[str]:
    is_whole = FILTER.fullmatch(word) is not None or " " in word.strip()
    return [word] if is_whole else [name for name in word.split(",") if name.strip()] or [word]


def selection_from(words: Sequence[str]) -> Selection:
    """Parse words such as `web01`, `web*`, `state:stopped`; raises `InvalidInputError` for a filter given twice."""
    names: dict[str, None] = {}
    filters: dict[str, str] = {}
    for word in separate_names(words):
        match = FILTER.fullmatch(word)
        if match is None:
            names[word] = None
        elif match[1].lower() in filters:
            raise InvalidInputError(f"{match[1].lower()}: is there twice.", hint="Give each filter once.")
        else:
            filters[match[1].lower()] = match[2]
    return Selection(tuple(names), filters)


def query_of(selection: Selection) -> ListArguments:
    """Return the filters as those of a list of servers."""
    return ListArguments.model_validate(dict(selection.filters))


def candidates(selection: Selection, servers: ProviderList[Server]) -> SelectedServers:
    """Return the servers that the names and patterns mean, the filters aside.

    Raises `InvalidInputError` where a name means no server or several, and where a pattern is malformed.
    """
    if len(selection.names) > MOST_WORDS:
        raise InvalidInputError(f"More than {MOST_WORDS} names.", hint="Use a pattern such as web*, or a filter.")
    lack = f"{servers.lack}." if servers.lack else ""
    if not selection.names:
        return SelectedServers(tuple(sorted(servers, key=_by_name)), lack=lack)
    chosen: dict[str, Server] = {}
    explicit: set[str] = set()
    index = ServerIndex(servers)
    for name in selection.names:
        if is_glob(name):
            chosen |= {server.id: server for server in _matching(name, servers) if server.id not in chosen}
        else:
            server = index.find(name)
            explicit.add(server.id)
            chosen.setdefault(server.id, server)
    named = tuple(chosen[ident] for ident in chosen if ident in explicit)
    lack = lack if len(explicit) < len(chosen) else ""
    return SelectedServers(tuple(chosen.values()), frozenset(explicit), lack, named)


def narrowed(query: ListArguments, selected: SelectedServers) -> SelectedServers:
    """Return the servers that the filters leave; those of which a fact is missing are left out, and counted."""
    servers = tuple(server for server in selected.servers if is_matching(server, query))
    unknown = " ".join(unknown_facts(selected.servers, query))
    lack = " ".join(filter(None, (selected.lack, unknown)))
    return replace(selected, servers=servers, lack=lack)


def _matching(glob: str, servers: Sequence[Server]) -> list[Server]:
    pattern = clean(glob)
    if not GLOB.fullmatch(pattern):
        raise InvalidInputError(f"{glob[:60]!r} is no pattern of hostnames.", hint="For example web* or db-?.")
    patterns = ServerPatterns.of([pattern])
    fitting = (server for server in servers if patterns.hold("", server.hostname.lower().rstrip(".")))
    return sorted(fitting, key=_by_name)


def _by_name(server: Server) -> tuple[str, str]:
    return server.hostname.lower(), server.id
