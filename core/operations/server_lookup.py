"""From a typed name to exactly one server, or to a question."""

import difflib
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final, TypeVar

from vpsops.core.common.errors import AmbiguousServerError, InvalidInputError, UnknownServerError
from vpsops.core.wayscloud.answers.errors import NotFoundError
from vpsops.core.wayscloud.answers.hostnames import canonical_hostname
from vpsops.core.wayscloud.answers.models import ProviderList, Server

if TYPE_CHECKING:
    from vpsops.core.wayscloud.client import Wayscloud

K = TypeVar("K")
Stage = Callable[[str], Sequence[Server]]
LONGEST_REFERENCE = 253
NEAREST = 3
AROUND: Final = "\"'`()<>{} \u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a"
"""Quotes and brackets that people write around a name; those of an IPv6 address are read with its port."""
FULL_ID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{16,64}|[a-z]{2,8}[-_][0-9a-z]{8,64}|[0-9]{1,19}",
    re.IGNORECASE,
)
"""What can be a whole id: a UUID, letters after a short prefix, or a number. What is none after all costs one read."""


async def locate_server(api: "Wayscloud", text: str) -> Server:
    """Return the one server meant; a full id is asked for directly, as a list may lack its server.

    Raises as `find_server` does, and `WayscloudError`.
    """
    return await by_full_id(api, text) or find_server(text, await api.list_servers())


async def by_full_id(api: "Wayscloud", text: str) -> Server | None:
    """Return the server of a full id, read directly; nothing for other names, and where the API knows none."""
    reference = next(
        (spelling for spelling in (text.strip(), plain_reference(text)) if FULL_ID.fullmatch(spelling)), ""
    )
    if not reference:
        return None
    try:
        return await api.get_server(reference)
    except NotFoundError:  # it may be a name, or the beginning of one
        return None


def find_server(text: str, servers: Sequence[Server]) -> Server:
    """Return the one server meant by a name; see `ServerIndex.find`."""
    return ServerIndex(servers).find(text)


class ServerIndex:
    """Servers by all that they are called, for any number of names: each is found without a walk over the fleet."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = servers
        self._lack = servers.lack if isinstance(servers, ProviderList) else ""

    def find(self, text: str) -> Server:
        """Return the one server meant by an id, a hostname, a display name, an address or a beginning of one name only.

        An exact match wins over a prefix, and a name as it is written over one without what stands around it; a close
        match is offered, never taken.
        Raises `UnknownServerError` with the nearest names, or `AmbiguousServerError` with the candidates.
        """
        reference = clean(text)
        spellings = dict.fromkeys(filter(None, (reference, plain_reference(reference))))
        stages: list[Stage] = [self._by_id, self._by_name, self._by_address]
        stages += [] if self._lack else [self._by_prefix]  # of names that are not seen one may fit as well
        for stage, spelling in [(stage, spelling) for stage in stages for spelling in spellings]:
            matches = stage(spelling)
            if len(matches) == 1:
                return matches[0]
            if matches:
                raise AmbiguousServerError(
                    reference, [(s.id, s.hostname) for s in sorted(matches, key=lambda s: s.hostname)]
                )
        plain = plain_reference(reference)
        if "," in plain:
            raise InvalidInputError(
                f"No server is called {plain[:120]}, and one server is meant here.", hint="Ask for each by itself."
            )
        close = (nearest(spelling, self._servers) for spelling in spellings)
        raise UnknownServerError(reference, next(filter(None, close), []), self._lack)

    def _by_id(self, reference: str) -> Sequence[Server]:
        return self._ids.get(reference, ())

    def _by_name(self, reference: str) -> Sequence[Server]:
        return self._hostnames.get(canonical_hostname(reference), ()) or self._short_names.get(reference, ())

    def _by_address(self, reference: str) -> Sequence[Server]:
        address = _address(reference)
        return self._addresses.get(address, ()) if address is not None else ()

    def _by_prefix(self, reference: str) -> Sequence[Server]:
        begin = bisect_left(self._sorted_names, reference, key=lambda entry: entry[0])
        fitting = takewhile(lambda entry: entry[0].startswith(reference), islice(self._sorted_names, begin, None))
        places = sorted({place for _, place in fitting})
        return [self._servers[place] for place in places]

    @cached_property
    def _ids(self) -> Mapping[str, Sequence[Server]]:
        return _grouped((server.id.lower(), server) for server in self._servers)

    @cached_property
    def _hostnames(self) -> Mapping[str, Sequence[Server]]:
        return _grouped((canonical_hostname(server.hostname), server) for server in self._servers)

    @cached_property
    def _short_names(self) -> Mapping[str, Sequence[Server]]:
        pairs = ((server, {_first_label(server), (server.display_name or "").lower()}) for server in self._servers)
        return _grouped((name, server) for server, names in pairs for name in names)

    @cached_property
    def _addresses(self) -> Mapping[IPv4Address | IPv6Address, Sequence[Server]]:
        pairs = ((server, {_address(server.ipv4), _address(server.ipv6)}) for server in self._servers)
        return _grouped((address, server) for server, own in pairs for address in own if address is not None)

    @cached_property
    def _sorted_names(self) -> Sequence[tuple[str, int]]:
        """All names with the place of their server, in their order."""
        return sorted((name, place) for place, server in enumerate(self._servers) for name in _names(server))


def _grouped(pairs: Iterable[tuple[K, Server]]) -> Mapping[K, Sequence[Server]]:
    groups: dict[K, list[Server]] = {}
    for key, server in pairs:
        groups.setdefault(key, []).append(server)
    return groups


def clean(text: str) -> str:
    """Trim a reference and lower its case; raises `InvalidInputError` on one that names nothing."""
    reference = text.strip().strip("`'\"").strip().lower()
    reference = reference if reference.strip(".") == "" else reference.rstrip(".")  # the root's dot of a full name
    if not reference or len(reference) > LONGEST_REFERENCE or not reference.isprintable():
        raise InvalidInputError("A server is named by its id, its hostname or the beginning of one.", hint="Try web01.")
    return reference


def plain_reference(text: str) -> str:
    """Return a reference without what people write around a name: marks, a scheme, an account, a port, a path."""
    plain = _without_marks(unicodedata.normalize("NFKC", text).strip().lower())
    plain = re.split(r"[/?#]", re.sub(r"^[a-z][a-z0-9+.-]*://", "", plain), maxsplit=1)[0].rpartition("@")[2]
    port = re.fullmatch(r"(\[[^\]]*\]|[^:]+):[0-9]{1,5}", plain)
    return _without_marks((port[1] if port else plain).strip("[]"))


def _without_marks(text: str) -> str:
    """Return a word without punctuation around it; emphasis only where it is on both sides, as `web*` names several."""
    plain = text.strip(AROUND).rstrip(".,;!?")
    plain = plain if plain.endswith("::") else plain.rstrip(":")  # an IPv6 network
    paired = len(plain) > 1 and plain[0] == plain[-1] and plain[0] in "*_~"
    return _without_marks(plain[1:-1]) if paired else plain.strip(AROUND)


def nearest(reference: str, servers: Sequence[Server]) -> list[str]:
    """Return the hostnames closest to `wanted`, best first, at most three."""
    names = {_first_label(s): s.hostname for s in servers} | {s.hostname.lower(): s.hostname for s in servers}
    close = difflib.get_close_matches(reference, names, n=NEAREST * 2, cutoff=0.6)
    return list(dict.fromkeys(names[name] for name in close))[:NEAREST]


def _first_label(server: Server) -> str:
    return server.hostname.lower().split(".", 1)[0]


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    """Return the address that a text is, in any of its spellings."""
    try:
        return ip_address((text or "").split("/", 1)[0])
    except ValueError:
        return None


def _names(server: Server) -> tuple[str, str, str]:
    return server.hostname.lower(), (server.display_name or "").lower(), server.id.lower()
