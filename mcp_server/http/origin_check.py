"""Whether a request is for a name of ours and comes from a page that may ask.

The SDK asks as well, but compares a name with a wildcard for its port by its beginning, which `127.0.0.1:evil:80` and
`http://localhost:1@evil.example` have too; and it writes a line into the log for each.
"""

import re
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from vpsops.core.server.rejections import Rejections
from vpsops.mcp_server.http.config import HttpConfig

_HOST: Final = r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})"
HOST: Final = re.compile(rf"({_HOST})(:\d{{1,5}})?")
ORIGIN: Final = re.compile(rf"([A-Za-z][A-Za-z0-9+.-]{{0,30}}://{_HOST})(:\d{{1,5}})?")


def is_listed(name: str, form: re.Pattern[str], listed: Collection[str]) -> bool:
    """Return whether a name is written as one is, and is listed, with its port or with any."""
    match = form.fullmatch(name)
    return match is not None and (name in listed or (match[2] is not None and f"{match[1]}:*" in listed))


class HostOriginMiddleware:
    """Answers requests for another host name with 421, and those from a foreign page with 403."""

    def __init__(self, app: ASGIApp, site: HttpConfig, rejections: Rejections) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in site.hosts)
        self._origins = frozenset(origin.lower() for origin in site.origins)
        self._rejections = rejections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not is_listed(hosts[0].strip().lower(), HOST, self._hosts):
            self._rejections.count("wrong_host")
            await PlainTextResponse("Invalid Host header", status_code=421)(scope, receive, send)
        elif origins and (len(origins) != 1 or not is_listed(origins[0].strip().lower(), ORIGIN, self._origins)):
            self._rejections.count("wrong_origin")
            await PlainTextResponse("Invalid Origin header", status_code=403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
