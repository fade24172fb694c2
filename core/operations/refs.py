"""From the name somebody typed to exactly one server, or to a question; pure."""

import difflib
from collections.abc import Sequence

from core.errors import AmbiguousServer, InvalidInput, UnknownServer
from core.wayscloud.models import Listing, Server

LONGEST_REFERENCE = 253
NEAREST = 3


def find_server(text: str, servers: Sequence[Server]) -> Server:
    """Return the one server meant by an id, a hostname, a display name or an unambiguous prefix of these.

    An exact match wins over a prefix; a close match is offered, never taken.
    Raises `UnknownServer` with the nearest names, or `AmbiguousServer` with the candidates.
    """
    wanted = clean(text)
    lack = servers.lack if isinstance(servers, Listing) else ""
    for stage in (_by_id, _by_name, *([] if lack else [_by_prefix])):  # of names that are not seen one may fit as well
        found = stage(wanted, servers)
        if len(found) == 1:
            return found[0]
        if found:
            raise AmbiguousServer(wanted, [(s.id, s.hostname) for s in sorted(found, key=lambda s: s.hostname)])
    close = [s.hostname for s in servers if wanted in _addresses(s)] or nearest(wanted, servers)
    raise UnknownServer(wanted, close, lack)


def clean(text: str) -> str:
    """Trim a reference and lower its case; raises `InvalidInput` on one that names nothing."""
    wanted = text.strip().strip("`'\"").strip().lower()
    wanted = wanted if wanted.strip(".") == "" else wanted.rstrip(".")  # the root's dot of a full name
    if not wanted or len(wanted) > LONGEST_REFERENCE or not wanted.isprintable():
        raise InvalidInput("A server is named by its id, its hostname or the beginning of one.", hint="Try web01.")
    return wanted


def nearest(wanted: str, servers: Sequence[Server]) -> list[str]:
    """Return the hostnames closest to `wanted`, best first, at most three."""
    names = {_first_label(s): s.hostname for s in servers} | {s.hostname.lower(): s.hostname for s in servers}
    close = difflib.get_close_matches(wanted, names, n=NEAREST * 2, cutoff=0.6)
    return list(dict.fromkeys(names[name] for name in close))[:NEAREST]


def _first_label(server: Server) -> str:
    return server.hostname.lower().split(".", 1)[0]


def _by_id(wanted: str, servers: Sequence[Server]) -> list[Server]:
    return [s for s in servers if s.id.lower() == wanted]


def _by_name(wanted: str, servers: Sequence[Server]) -> list[Server]:
    full = [s for s in servers if s.hostname.lower() == wanted]
    return full or [s for s in servers if wanted in {_first_label(s), (s.display_name or "").lower()}]


def _by_prefix(wanted: str, servers: Sequence[Server]) -> list[Server]:
    return [s for s in servers if any(name.startswith(wanted) for name in _names(s))]


def _addresses(server: Server) -> frozenset[str]:
    return frozenset(address.lower() for address in (server.ipv4, server.ipv6) if address)


def _names(server: Server) -> tuple[str, str, str]:
    return server.hostname.lower(), (server.display_name or "").lower(), server.id.lower()
