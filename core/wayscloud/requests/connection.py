"""What all callers of a process share to reach the provider, and how each caller's calls are made on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeVar

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.redaction import Redactor
from vpsops.core.common.single_flight import SingleFlight
from vpsops.core.common.timings import DEFAULT_TRANSPORT, TransportSettings
from vpsops.core.telemetry.telemetry import NO_TELEMETRY, Telemetry
from vpsops.core.wayscloud.answers.models import JSON, HeldList, ProviderList, Server
from vpsops.core.wayscloud.answers.pages import ListPage, Query, collect
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.core.wayscloud.requests.endpoints import Route
from vpsops.core.wayscloud.requests.request_executor import RequestExecutor
from vpsops.core.wayscloud.requests.send_hook import SendHook
from vpsops.core.wayscloud.requests.transport import HttpTransport, RequestLane, Transport

T = TypeVar("T")
SHARED_CALLS: Final = 2
"""At most so many of the eight concurrent calls are for the same thing."""
DEFAULT_URL: Final = "https://api.wayscloud.services"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadContext:
    """How one caller's reads are made, and which servers exist for it.

    `visible` does not prevent a write to a server by its id; a writer has read the server first. With `held` the list
    of servers is read once, into it, unless it is there already. With `coalesced`, identical concurrent reads are one
    call, and a result may be a second older than its request; decisions and the engine do not use that.
    """

    lane: RequestLane = RequestLane.QUESTIONS
    visible: Callable[[Server], bool] | None = None
    held: HeldList | None = None
    coalesced: bool = False


QUESTIONS: Final = ReadContext()
WORK: Final = ReadContext(lane=RequestLane.WORK)
"""For what changes wait for: these reads do not queue behind users' questions."""


class ProviderConnection:
    """An async context manager: its end closes every connection to the provider.

    Without credentials every call names the missing settings.
    """

    def __init__(  # noqa: PLR0913 - all of it named
        self,
        credentials: Credentials | None,
        *,
        base_url: str = DEFAULT_URL,
        clock: Clock,
        settings: TransportSettings = DEFAULT_TRANSPORT,
        http_transport: HttpTransport | None = None,
        redactor: Redactor | None = None,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        transport = Transport(
            credentials, base_url=base_url, settings=settings, http_transport=http_transport, telemetry=telemetry
        )
        words = redactor or Redactor((credentials.secret,) if credentials else ())
        self.clock = clock
        self._transport = transport
        self._executor = RequestExecutor(transport, words, clock=clock, settings=settings)
        self._shared = SingleFlight(timings.SHARED_SECONDS, SHARED_CALLS)
        self._list_seconds = settings.total_seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._executor.close()

    def use(self, credentials: Credentials | None) -> None:
        """Send other credentials from the next call on; what is shared was asked for with the old ones."""
        self._transport.use(credentials)
        self._shared = SingleFlight(timings.SHARED_SECONDS, SHARED_CALLS)

    async def read(self, route: Route, parse: Callable[[JSON], T], context: ReadContext) -> T:
        """Return what the route holds."""
        if not context.coalesced:
            return await self._executor.read(route, parse, context.lane)
        return await self._shared.call(route, lambda: self._executor.read(route, parse, context.lane))

    async def read_list(
        self, route: Route, parse: Callable[[JSON], ProviderList[T]], name: Callable[[T], str], context: ReadContext
    ) -> ProviderList[T]:
        """Return a whole list, in any number of pages."""
        if not context.coalesced:
            return await self._pages(route, parse, name, context.lane)
        return await self._shared.call(route, lambda: self._pages(route, parse, name, context.lane))

    async def _pages(
        self, route: Route, parse: Callable[[JSON], ProviderList[T]], name: Callable[[T], str], lane: RequestLane
    ) -> ProviderList[T]:
        first = await self._executor.read_page(route, parse, lane)

        async def read(query: Query) -> ListPage[T]:
            return await self._executor.read_page(route.page(query), parse, lane)

        return await collect(first, read, name, self._list_seconds)

    async def write(
        self,
        route: Route,
        parse: Callable[[JSON], T],
        *,
        body: Mapping[str, JSON] | None = None,
        departure: SendHook | None = None,
    ) -> T:
        """Send once; raises as `RequestExecutor.write` does."""
        return await self._executor.write(route, parse, body=body, departure=departure)
