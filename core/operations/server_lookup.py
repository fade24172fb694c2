"""From a typed name to exactly one server, or to a question."""

import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from vpsops.core.common.errors import AmbiguousServerError, InvalidInputError, UnknownServerError
from vpsops.core.wayscloud.answers.errors import NotFoundError
from vpsops.core.wayscloud.answers.hostnames import canonical_hostname
from vpsops.core.wayscloud.answers.models import ProviderList, Server

if TYPE_CHECKING:
    from vpsops.core.wayscloud.client import Wayscloud

LONGEST_REFERENCE = 253
NEAREST = 3
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
    reference = text.strip()
    if not FULL_ID.fullmatch(reference):
        return None
    try:
        return await api.get_server(reference)
    except NotFoundError:  # it may be a name, or the beginning of one
        return None


def find_server(text: str, servers: Sequence[Server]) -> Server:
    """Return the one server meant by an id, a hostname, a display name or an unambiguous prefix of these.

    An exact match wins over a prefix; a close match is offered, never taken.
    Raises `UnknownServerError` with the nearest names, or `AmbiguousServerError` with the candidates.
    """
    reference = clean(text)
    lack = servers.lack if isinstance(servers, ProviderList) else ""
    for stage in (_by_id, _by_name, *([] if lack else [_by_prefix])):  # of names that are not seen one may fit as well
        matches = stage(reference, servers)
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise AmbiguousServerError(
                reference, [(s.id, s.hostname) for s in sorted(matches, key=lambda s: s.hostname)]
            )
    close = [s.hostname for s in servers if reference in _addresses(s)] or nearest(reference, servers)
    raise UnknownServerError(reference, close, lack)


def clean(text: str) -> str:
    """Trim a reference and lower its case; raises `InvalidInputError` on one that names nothing."""
    reference = text.strip().strip("`'\"").strip().lower()
    reference = reference if reference.strip(".") == "" else reference.rstrip(".")  # the root's dot of a full name
    if not reference or len(reference) > LONGEST_REFERENCE or not reference.isprintable():
        raise InvalidInputError("A server is named by its id, its hostname or the beginning of one.", hint="Try web01.")
    return reference


def nearest(reference: str, servers: Sequence[Server]) -> list[str]:
    """Return the hostnames closest to `wanted`, best first, at most three."""
    names = {_first_label(s): s.hostname for s in servers} | {s.hostname.lower(): s.hostname for s in servers}
    close = difflib.get_close_matches(reference, names, n=NEAREST * 2, cutoff=0.6)
    return list(dict.fromkeys(names[name] for name in close))[:NEAREST]


def _first_label(server: Server) -> str:
    return server.hostname.lower().split(".", 1)[0]


def _by_id(reference: str, servers: Sequence[Server]) -> list[Server]:
    return [s for s in servers if s.id.lower() == reference]


def _by_name(reference: str, servers: Sequence[Server]) -> list[Server]:
    full = [s for s in servers if canonical_hostname(s.hostname) == canonical_hostname(reference)]
    return full or [s for s in servers if reference in {_first_label(s), (s.display_name or "").lower()}]


def _by_prefix(reference: str, servers: Sequence[Server]) -> list[Server]:
    return [s for s in servers if any(name.startswith(reference) for name in _names(s))]


def _addresses(server: Server) -> frozenset[str]:
    return frozenset(address.lower() for address in (server.ipv4, server.ipv6) if address)


def _names(server: Server) -> tuple[str, str, str]:
    return server.hostname.lower(), (server.display_name or "").lower(), server.id.lower()
