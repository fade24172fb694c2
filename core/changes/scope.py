"""Which changes and servers a reader may see."""

from dataclasses import dataclass, field
from typing import Self

from vpsops.core.operations.target import Target
from vpsops.core.policy.context import ServerPatterns


@dataclass(frozen=True, slots=True)
class ServerFilter:
    """Which servers are visible: each of `restrictions` must hold for certain; without restrictions, all are."""

    restrictions: tuple[ServerPatterns, ...] = ()

    def sees(self, server_id: str, hostname: str) -> bool:
        """Return whether a server is visible; a server that is to be created has only a hostname."""
        name = hostname.lower().rstrip(".")
        return all(servers.hold(server_id.lower(), name) is True for servers in self.restrictions)

    def __bool__(self) -> bool:
        return bool(self.restrictions)

    def narrowed(self, other: Self) -> "ServerFilter":
        """Return a filter that shows what both show."""
        return ServerFilter(tuple(dict.fromkeys((*self.restrictions, *other.restrictions))))


@dataclass(frozen=True, slots=True)
class Visibility:
    """Whose changes (empty: of every workspace), about which servers, are visible."""

    teams: frozenset[str] = frozenset()
    servers: ServerFilter = field(default_factory=ServerFilter)

    def shows(self, target: Target) -> bool:
        """Return whether a change's server is visible."""
        return self.servers.sees(target.id, target.hostname)


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
