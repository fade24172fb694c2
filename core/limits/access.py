"""The tools and servers that an MCP server, or one token on it, may use and see; restrictions only add up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, Self

from vpsops.core.changes.scope import ServerFilter
from vpsops.core.limits.tool_names import ALTERING, ON_DEMAND, SECRET, TOOLS, USUAL
from vpsops.core.policy.context import ServerPatterns

IN_FORCE: Final = "[limits.mcp]"


@dataclass(frozen=True, slots=True)
class Restriction:
    """One place's restriction of what may be used; an empty one restricts nothing. `where` is for refusals."""

    where: str
    read_only: bool = False
    toolsets: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    deny_tools: frozenset[str] = frozenset()
    servers: frozenset[str] = frozenset()
    secrets: bool = False  # the one thing that is widened, and by the limits in force alone

    def described(self) -> tuple[tuple[str, str], ...]:
        """Return its contents, as names and values."""
        named = {"toolsets": self.toolsets, "tools": self.tools, "deny_tools": self.deny_tools, "servers": self.servers}
        flags = tuple((name, "true") for name in ("read_only", "secrets") if getattr(self, name))
        return flags + tuple((name, _listed(words)) for name, words in named.items() if words)

    def why_not(self, tool: str) -> tuple[str, str]:
        """Return the limit that forbids a tool, and its value; two empty texts if it is allowed."""
        if self.read_only and tool in ALTERING:
            return "read_only", "true"
        if self.toolsets and TOOLS.get(tool) not in self.toolsets:
            return "toolsets", _listed(self.toolsets)
        if self.tools and not _any(self.tools, tool):
            return "tools", _listed(self.tools)
        if _any(self.deny_tools, tool):
            return "deny_tools", _listed(self.deny_tools)
        return "", ""


@dataclass(frozen=True, slots=True)
class DeniedTool:
    """A tool that may not be used: by which limit of which place, and the limit's value."""

    where: str
    limit: str
    value: str


@dataclass(frozen=True, slots=True)
class AccessScope:
    """The restrictions in force together."""

    narrowings: tuple[Restriction, ...] = ()
    sight: ServerFilter = field(init=False, compare=False)

    def __post_init__(self) -> None:
        named = dict.fromkeys(narrowing.servers for narrowing in self.narrowings if narrowing.servers)
        object.__setattr__(self, "sight", ServerFilter(tuple(ServerPatterns.of(words) for words in named)))

    def narrowed(self, other: Self) -> "AccessScope":
        """Return the scope that both leave."""
        return AccessScope(tuple(dict.fromkeys((*self.narrowings, *other.narrowings))))

    def barred(self, tool: str) -> DeniedTool | None:
        """Return the restriction that forbids a tool, or None."""
        if tool in SECRET and not any(scope.secrets and scope.where == IN_FORCE for scope in self.narrowings):
            return DeniedTool(IN_FORCE, "secrets", "false")
        for narrowing in self.narrowings:
            limit, value = narrowing.why_not(tool)
            if limit:
                return DeniedTool(narrowing.where, limit, value)
        return None

    def or_usual(self) -> "AccessScope":
        """Return this scope, with the usual toolsets alone where no place names toolsets or tools."""
        named = any(place.toolsets or place.tools for place in self.narrowings)
        return self if named else AccessScope((*self.narrowings, USUALLY))

    def allows(self, tool: str) -> bool:
        """Return whether a tool may be used."""
        return self.barred(tool) is None

    @property
    def read_only(self) -> bool:
        """Return whether nothing may be altered."""
        return any(narrowing.read_only for narrowing in self.narrowings)

    @property
    def tools(self) -> tuple[str, ...]:
        """The tools that are left."""
        return tuple(tool for tool in TOOLS if self.allows(tool))


EVERYTHING = AccessScope()
USUALLY = Restriction("the default", toolsets=frozenset(USUAL), deny_tools=ON_DEMAND)


def _any(patterns: frozenset[str], tool: str) -> bool:
    return any(fnmatchcase(tool, pattern) for pattern in patterns)


def _listed(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))


def matched(pattern: str, tools: Sequence[str] = tuple(TOOLS)) -> bool:
    """Return whether a pattern matches any tool."""
    return any(fnmatchcase(tool, pattern) for tool in tools)
