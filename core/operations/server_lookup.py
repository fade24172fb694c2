"""From a typed name to exactly one server, or to a question."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from vpsops.core.common.errors import AmbiguousServerError, InvalidInputError, UnknownServerError
from vpsops.core.wayscloud.answers.errors import NotFoundError
from vpsops.core.wayscloud.answers.hostnames import canonical_hostname
from vpsops.core.wayscloud.answers.models import ProviderList, Server

if TYPE_CHECKING:
    from vpsops.core.wayscloud.client import Wayscloud

Stage = Callable[[str, Sequence[Server]], list[Server]]
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
    """Return the one server meant by an id, a hostname, a display name, an address or a beginning of one name only.

    An exact match wins over a prefix, and a name as it is written over one without what stands around it; a close
    match is offered, never taken.
    Raises `UnknownServerError` with the nearest names, or `AmbiguousServerError` with the candidates.
    """
    reference = clean(text)
    lack = servers.lack if isinstance(servers, ProviderList) else ""
    spellings = dict.fromkeys(filter(None, (reference, plain_reference(reference))))
    stages: list[Stage] = [_by_id, _by_name, _by_address]
    stages += [] if lack else [_by_prefix]  # of names that are not seen one may fit as well
    for stage, spelling in [(stage, spelling) for stage in stages for spelling in spellings]:
        matches = stage(spelling, servers)
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise AmbiguousServerError(
                reference, [(s.id, s.hostname) for s in sorted(matches, key=lambda s: s.hostname)]
            )
    close = (nearest(spelling, servers) for spelling in spellings)
    raise UnknownServerError(reference, next(filter(None, close), []), lack)


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


def _by_id(reference: str, servers: Sequence[Server]) -> list[Server]:
    return [s for s in servers if s.id.lower() == reference]


def _by_name(reference: str, servers: Sequence[Server]) -> list[Server]:
    full = [s for s in servers if canonical_hostname(s.hostname) == canonical_hostname(reference)]
    return full or [s for s in servers if reference in {_first_label(s), (s.display_name or "").lower()}]


def _by_prefix(reference: str, servers: Sequence[Server]) -> list[Server]:
    return [s for s in servers if any(name.startswith(reference) for name in _names(s))]


def _by_address(reference: str, servers: Sequence[Server]) -> list[Server]:
    address = _address(reference)
    return [s for s in servers if address is not None and address in {_address(s.ipv4), _address(s.ipv6)}]


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    """Return the address that a text is, in any of its spellings."""
    try:
        return ip_address((text or "").split("/", 1)[0])
    except ValueError:
        return None


def _names(server: Server) -> tuple[str, str, str]:
    return server.hostname.lower(), (server.display_name or "").lower(), server.id.lower()
