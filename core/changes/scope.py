"""Which changes and servers a reader may see, and what a list of changes is asked for by."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from vpsops.core.common.cursors import decode_cursor, encode_cursor, invalid_cursor_error
from vpsops.core.operations.target import Target
from vpsops.core.policy.context import ServerPatterns

if TYPE_CHECKING:
    from datetime import datetime

    from vpsops.core.changes.model import Change, State
    from vpsops.core.storage.rows import UnreadableRow


LIST: Final = "changes"
POSITION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\|([0-9A-Za-z_-]{1,80})")


@dataclass(frozen=True, slots=True)
class ServerFilter:
    """Which servers are visible: each of `restrictions` must hold for certain; without restrictions, all are."""

    restrictions: tuple[ServerPatterns, ...] = ()

    def sees(self, server_id: str, hostname: str) -> bool:
        """Return whether a server is visible; a server that is to be created has only a hostname."""
        name = hostname.lower().rstrip(".")
        return all(servers.hold(server_id.lower(), name) is True for servers in self.restrictions)

    def shows(self, target: Target) -> bool:
        """Return whether a change's server is visible; of a plan, every server."""
        return all(self.sees(*server) for server in target.members or ((target.id, target.hostname),))

    def __bool__(self) -> bool:
        return bool(self.restrictions)

    def narrowed(self, other: Self) -> ServerFilter:
        """Return a filter that shows what both show."""
        return ServerFilter(tuple(dict.fromkeys((*self.restrictions, *other.restrictions))))


@dataclass(frozen=True, slots=True)
class Visibility:
    """Whose changes (empty: of every workspace), about which servers, are visible."""

    teams: frozenset[str] = frozenset()
    servers: ServerFilter = field(default_factory=ServerFilter)

    def shows(self, target: Target) -> bool:
        """Return whether a change's server is visible."""
        return self.servers.shows(target)


UNRESTRICTED = Visibility()


@dataclass(frozen=True, slots=True)
class Scope:
    """What a caller may see: a workspace (empty: all of them), and servers."""

    team: str = ""
    servers: ServerFilter = field(default_factory=ServerFilter)


OPERATOR = Scope()
"""The scope of the operator of vpsops: everything."""

NOTHING = Scope(servers=ServerFilter((ServerPatterns(),)))
"""The scope in which no server exists, until a caller's own is known."""


@dataclass(frozen=True, slots=True)
class ChangePosition:
    """The position of a change in every list: when it was requested (seconds since 1970) and its id; both are fixed."""

    at: float
    id: str

    @property
    def cursor(self) -> str:
        """The cursor of the page after this position."""
        return encode_cursor(LIST, f"{self.at!r}|{self.id}")


@dataclass(frozen=True, slots=True)
class ChangeQuery:
    """The filters of a list of changes, newest first. An empty filter matches every change."""

    open_only: bool = False
    states: tuple[State, ...] = ()
    server: str = ""
    person: str = ""
    """Id of an actor: matches their own changes and those that agents requested on their behalf."""
    operation: str = ""
    since: datetime | None = None
    """Matches changes that were updated at this time or later."""
    after: ChangePosition | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A page of changes and the position of the next page, which is None on the last page."""

    changes: tuple[Change, ...] = ()
    next: ChangePosition | None = None
    unreadable: tuple[UnreadableRow, ...] = ()
    """The changes on this page that this version cannot read; empty unless the scope is unrestricted."""


def position_of(change: Change) -> ChangePosition:
    """Return the position of a change in every list."""
    return ChangePosition(change.created_at.timestamp(), change.id)


def position_from(cursor: str) -> ChangePosition | None:
    """Return the position that a cursor holds, None for an empty one; raises `InvalidInputError` for other text."""
    if not cursor:
        return None
    match = POSITION.fullmatch(decode_cursor(LIST, cursor))
    if match is None:
        raise invalid_cursor_error()
    return ChangePosition(float(match[1]), match[2])
