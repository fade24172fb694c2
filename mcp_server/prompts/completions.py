"""Completions of servers, changes and the catalogue's codes, for templates and prompts.

The names are read at most every few seconds for all callers; each caller's own rights are checked each time. While
the provider is away there are none, which is no error.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio
import mcp.types as t
import structlog
from cachetools import LRUCache

from vpsops.core.changes.scope import ServerFilter
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import NotAllowedError, VpsopsError
from vpsops.core.operations.catalogue import OsTemplates, Plans, Regions
from vpsops.mcp_server.prompts.prompts import PROMPTS
from vpsops.mcp_server.protocol import sdk_compat, uris
from vpsops.mcp_server.protocol.text import sanitize
from vpsops.mcp_server.protocol.uris import CHANGE, PLAIN
from vpsops.mcp_server.resources.reader import ResourceReader
from vpsops.mcp_server.tools.definitions import PREFIX

MOST: Final = 100
LONGEST_VALUE: Final = 300
PATIENCE: Final = 3.0
SERVERS_SECONDS: Final = 10.0
CATALOGUE_SECONDS: Final = 300.0
FAILED_SECONDS: Final = 5.0
MOST_SIGHTS: Final = 50
READ_IN_FULL: Final = 20

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Words to complete to: `first` are offered always, `more` once something was typed."""

    first: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


NONE: Final = Candidates()


def match_candidates(names: Candidates, typed: str) -> list[str]:
    """Return the candidates that match the typed text, prefixes before infixes."""
    typed_name = typed.strip().lower()
    every = dict.fromkeys((*names.first, *names.more) if typed_name else names.first)
    starts = [name for name in every if name.lower().startswith(typed_name)]
    return starts + [name for name in every if typed_name in name.lower() and not name.lower().startswith(typed_name)]


@dataclass(slots=True)
class CachedCandidates:
    """Candidates cached for `seconds`, refreshed by one caller for all."""

    seconds: float
    find: Callable[[ResourceReader], Awaitable[Candidates]]
    names: Candidates = NONE
    until: float = float("-inf")
    lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def get(self, reader: ResourceReader, clock: Clock) -> Candidates:
        """Return the names; none while they cannot be read."""
        async with self.lock:
            if clock.monotonic() >= self.until:
                await self._renew(reader, clock)
            return self.names

    async def _renew(self, reader: ResourceReader, clock: Clock) -> None:
        self.names, seconds = NONE, FAILED_SECONDS
        try:
            with anyio.move_on_after(PATIENCE):
                self.names = await self.find(reader)
                seconds = self.seconds
        except NotAllowedError:  # a denial concerns this caller only: do not cache it
            seconds = 0.0
        except VpsopsError as error:
            logger.info("completions_unavailable", error=error.error_id, message=error.message)
        self.until = clock.monotonic() + seconds


async def list_server_names(reader: ResourceReader) -> Candidates:
    """Return hostnames, and ids for a caller who types one; for a shared hostname, the ids."""
    servers = sorted(await reader.servers(), key=lambda server: server.hostname.lower())
    count = Counter(server.hostname.lower() for server in servers)
    first = [server.id if count[server.hostname.lower()] > 1 else server.hostname for server in servers]
    return Candidates(_plain(first), _plain([server.id for server in servers]))


def _plain(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for word in words if PLAIN.fullmatch(word))


async def list_change_ids(reader: ResourceReader) -> Candidates:
    """Return the ids of the last changes, newest first."""
    changes = await reader.changes(MOST)
    return Candidates(tuple(change.id for change in changes if CHANGE.fullmatch(change.id)))


async def list_plan_codes(reader: ResourceReader) -> Candidates:
    """Return the plans' codes."""
    result = await reader.read("plans")
    return Candidates(_codes([plan.code for plan in result.plans]) if isinstance(result, Plans) else ())


async def list_os_template_ids(reader: ResourceReader) -> Candidates:
    """Return the ids of the operating systems."""
    result = await reader.read("os_templates")
    return Candidates(
        _codes([template.id for template in result.os_templates]) if isinstance(result, OsTemplates) else ()
    )


async def list_region_codes(reader: ResourceReader) -> Candidates:
    """Return the codes of the regions that are open."""
    result = await reader.read("regions")
    return Candidates(
        _codes([region.code for region in result.regions if region.available is not False])
        if isinstance(result, Regions)
        else ()
    )


async def list_label_keys(reader: ResourceReader) -> Candidates:
    """Return the keys of labels, those of most servers first; of servers listed without labels a few are read."""
    servers = await reader.in_full(await reader.servers(), READ_IN_FULL, lambda server: server.labels is None)
    count = Counter(key for server in servers for key in server.labels or ())
    return Candidates(_codes([key for key, _ in count.most_common()]))


def _codes(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for word in words if word and sanitize(word) == word)


ARGUMENTS: Final[Mapping[str, str]] = {
    "server": "servers",
    "plan": "plans",
    "os_template": "os_templates",
    "region": "regions",
}
"""What the arguments of prompts are completed from, by their names."""

TEMPLATES: Final[Mapping[str, Mapping[str, str]]] = {
    uris.SERVER_TEMPLATE: {"id": "servers"},
    uris.CHANGE_TEMPLATE: {"id": "changes"},
    uris.PAGE_TEMPLATE: {},
    uris.REPORT_TEMPLATE: {"label": "label_keys"},
}
NEEDS: Final = {
    "servers": "list",
    "plans": "plans",
    "os_templates": "os_templates",
    "regions": "regions",
    "label_keys": "list",
}


class Completions:
    """Candidates read for completions, shared by all callers of a server who see the same servers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: LRUCache[ServerFilter, Mapping[str, CachedCandidates]] = LRUCache(MOST_SIGHTS)

    def _of(self, reader: ResourceReader) -> Mapping[str, CachedCandidates]:
        return self._kept.setdefault(reader.caller.reach.sight, self._fresh())

    @staticmethod
    def _fresh() -> Mapping[str, CachedCandidates]:
        return {
            "servers": CachedCandidates(SERVERS_SECONDS, list_server_names),
            "changes": CachedCandidates(0.0, list_change_ids),
            "plans": CachedCandidates(CATALOGUE_SECONDS, list_plan_codes),
            "os_templates": CachedCandidates(CATALOGUE_SECONDS, list_os_template_ids),
            "regions": CachedCandidates(CATALOGUE_SECONDS, list_region_codes),
            "label_keys": CachedCandidates(CATALOGUE_SECONDS, list_label_keys),
        }

    async def complete(self, reader: ResourceReader, params: t.CompleteRequestParams) -> t.CompleteResult:
        """Answer `completion/complete`. Raises the protocol's error for an unknown template or prompt."""
        source = candidate_source(params.ref, params.argument.name)
        names = NONE
        if source and len(params.argument.value) <= LONGEST_VALUE and self._may(reader, source):
            names = await self._of(reader)[source].get(reader, self._clock)
        matches = match_candidates(names, params.argument.value)
        completion = t.Completion(values=matches[:MOST], total=len(matches), has_more=len(matches) > MOST)
        return t.CompleteResult(completion=completion)

    def _may(self, reader: ResourceReader, source: str) -> bool:
        if source in NEEDS:
            return reader.may(NEEDS[source])
        return reader.granted and reader.caller.reach.allows(f"{PREFIX}changes")


def candidate_source(ref: t.PromptReference | t.ResourceTemplateReference, argument: str) -> str:
    """Return the source of an argument's candidates, or "" for free text."""
    if isinstance(ref, t.PromptReference):
        if ref.name not in PROMPTS:
            raise sdk_compat.invalid_params_error(f"Unknown prompt: {sanitize(ref.name)}")
        known = {argument.name for argument in PROMPTS[ref.name].definition.arguments or ()}
        return ARGUMENTS.get(argument, "") if argument in known else ""
    if ref.uri not in TEMPLATES:
        raise sdk_compat.invalid_params_error(f"Unknown resource template: {sanitize(ref.uri)}")
    return TEMPLATES[ref.uri].get(argument, "")
