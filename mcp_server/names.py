"""The form of the names a request is for and comes from; whether they are ours is asked afterwards.

The SDK compares a name with a wildcard for its port by its beginning, which `127.0.0.1:evil:80` and
`http://localhost:1@evil.example` have as well.
"""

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_HOST: Final = r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:\d{1,5})?"
HOST: Final = re.compile(_HOST)
ORIGIN: Final = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]{{0,30}}://{_HOST}")


class NameCheck:
    """Refuses requests whose `Host` or `Origin` is not written as one is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 421 or 403 as for a wrong name."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not HOST.fullmatch(hosts[0]):
            await PlainTextResponse("Invalid Host header", status_code=421)(scope, receive, send)
        elif origins and (len(origins) != 1 or not ORIGIN.fullmatch(origins[0])):
            await PlainTextResponse("Invalid Origin header", status_code=403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
