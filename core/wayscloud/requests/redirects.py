"""Classifies redirects by their address alone: the key and the request stay at the configured origin."""

from enum import StrEnum
from urllib.parse import SplitResult, urljoin, urlsplit


class RedirectKind(StrEnum):
    """The target of a redirect, relative to the requested address."""

    OTHER_FORM = "other_form"  # the same path with its trailing slash added or taken away, at whatever host
    SAME_ORIGIN = "same_origin"  # the address itself, or another path of this origin
    ELSEWHERE = "elsewhere"
    INVALID = "invalid"


def redirect_kind(location: str, url: str, base_path: str) -> RedirectKind:
    """Classify a `Location` header of an answer to `url`.

    Behind a proxy a framework's slash redirect loses https, names an internal host, or lacks the path prefix that the
    proxy takes away (https://github.com/Kludex/starlette/issues/2748), so only the path counts for the other form.
    """
    own = urlsplit(url)
    try:
        target = urlsplit(urljoin(url, location))
        ports = _port(target), _port(own)
    except ValueError:
        return RedirectKind.INVALID
    if not location or target.scheme not in {"http", "https"} or not target.hostname:
        return RedirectKind.INVALID
    plain = not (target.username or target.password or target.query or target.fragment)
    path = own.path.removeprefix(base_path.rstrip("/"))
    if plain and target.path in {_other_form(own.path), _other_form(path)}:
        return RedirectKind.OTHER_FORM
    same = (target.scheme, target.hostname, ports[0]) == (own.scheme, own.hostname, ports[1])
    return RedirectKind.SAME_ORIGIN if same and not (target.username or target.password) else RedirectKind.ELSEWHERE


def _port(parts: SplitResult) -> int:
    return parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)


def _other_form(path: str) -> str:
    return path.removesuffix("/") if path.endswith("/") else f"{path}/"
