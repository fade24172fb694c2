"""The provider's VPS API, typed: ten operations in one dialect, for any dialect of the service."""

from collections.abc import Callable, Mapping
from copy import copy
from operator import attrgetter
from types import TracebackType
from typing import Final, Self, TypeVar

import anyio

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.redaction import Redactor
from vpsops.core.common.single_flight import SingleFlight
from vpsops.core.common.timings import DEFAULT_TRANSPORT, TransportSettings
from vpsops.core.wayscloud.answers import parse
from vpsops.core.wayscloud.answers.errors import (
    NotAuthenticatedError,
    NotFoundError,
    NotOfferedError,
    NotPermittedError,
    WayscloudError,
    WrongShapeError,
)
from vpsops.core.wayscloud.answers.models import (
    JSON,
    AcceptedOperation,
    Addon,
    HeldList,
    NewServer,
    OsTemplate,
    Plan,
    ProviderList,
    Region,
    Server,
    Usage,
)
from vpsops.core.wayscloud.answers.pages import ListPage, Query, collect
from vpsops.core.wayscloud.answers.states import Meaning, meaning_of_status
from vpsops.core.wayscloud.answers.validate import validate_id, validate_part
from vpsops.core.wayscloud.requests import endpoints
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.core.wayscloud.requests.endpoints import Route
from vpsops.core.wayscloud.requests.request_executor import RequestExecutor
from vpsops.core.wayscloud.requests.send_hook import SendHook
from vpsops.core.wayscloud.requests.transport import HttpTransport, RequestLane, Transport
from vpsops.core.wayscloud.server_parts.backups import Backups
from vpsops.core.wayscloud.server_parts.part_calls import PartCalls
from vpsops.core.wayscloud.server_parts.snapshots import Snapshots

T = TypeVar("T")
YOUNG_SECONDS: Final = timings.SHARED_SECONDS
CALLS: Final = 2
"""At most so many of the eight concurrent calls are for the same thing."""
DEFAULT_URL: Final = "https://api.wayscloud.services"


class Wayscloud:
    """An async context manager over the API; without credentials every call names the missing settings.

    Reads are retried where that can help, and raise `WayscloudError`. Writes are sent once: they raise
    `ProviderRefusedError` when the provider refuses, `NotSentError` when nothing left, `OutcomeUnknownError` when the
    answer is unclear. A write connects first and then asks its `departure`; its `before_send` is the last
    instant before its first byte leaves. A write that is cancelled may have left: treat it as unknown.
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
    ) -> None:
        transport = Transport(credentials, base_url=base_url, settings=settings, http_transport=http_transport)
        words = redactor or Redactor((credentials.secret,) if credentials else ())
        self._clock = clock
        self._caller = RequestExecutor(transport, words, clock=clock, settings=settings)
        self._shared = SingleFlight(YOUNG_SECONDS, CALLS)
        self._held: HeldList | None = None
        self._joins = False
        self._list_seconds = settings.total_seconds
        self._lane = RequestLane.QUESTIONS
        self._sees: Callable[[Server], bool] | None = None

    def only(self, sees: Callable[[Server], bool] | None) -> "Wayscloud":
        """Return this client, on the same connections, restricted to some servers: the others do not exist for it.

        It does not prevent a write to a server by its id; a writer has read the server first. Without
        `sees` it is the client that sees all.
        """
        other = copy(self)
        other._sees = sees  # noqa: SLF001 - its own
        return other

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._caller.close()

    def holding(self, held: HeldList) -> "Wayscloud":
        """Return a client that reads the list of servers once, into `held`, unless it is there already."""
        other = copy(self)
        other._held = held  # noqa: SLF001 - its own
        return other

    def shared(self) -> "Wayscloud":
        """Return a client that coalesces identical concurrent reads.

        Its results may be a second older than the request; decisions and the engine do not use it.
        """
        other = copy(self)
        other._joins = True  # noqa: SLF001 - its own
        return other

    def for_work(self) -> "Wayscloud":
        """Return the same API for reads that changes wait for: they do not queue behind users' questions."""
        other = copy(self)
        other._lane = RequestLane.WORK  # noqa: SLF001 - its own
        return other

    async def _read(self, route: endpoints.Route, parse: Callable[[JSON], T]) -> T:
        if not self._joins:
            return await self._caller.read(route, parse, self._lane)
        return await self._shared.call(route, lambda: self._caller.read(route, parse, self._lane))

    async def _list(
        self, route: Route, parse: Callable[[JSON], ProviderList[T]], name: Callable[[T], str]
    ) -> ProviderList[T]:
        """Return a whole list, in any number of pages."""
        if not self._joins:
            return await self._pages(route, parse, name)
        return await self._shared.call(route, lambda: self._pages(route, parse, name))

    async def _pages(
        self, route: Route, parse: Callable[[JSON], ProviderList[T]], name: Callable[[T], str]
    ) -> ProviderList[T]:
        first = await self._caller.read_page(route, parse, self._lane)

        async def read(query: Query) -> ListPage[T]:
            return await self._caller.read_page(route.page(query), parse, self._lane)

        return await collect(first, read, name, self._list_seconds)

    @property
    def backups(self) -> Backups:
        """Return the calls about servers' backups."""
        return Backups(self._part_calls, self._clock)

    @property
    def snapshots(self) -> Snapshots:
        """Return the calls about servers' snapshots."""
        return Snapshots(self._part_calls)

    @property
    def _part_calls(self) -> PartCalls:
        return PartCalls(self._read, self._list, self._caller, self._lane, self.get_server)

    async def list_servers(self) -> ProviderList[Server]:
        """Return all servers of the account; the documented entries carry little more than name, state and address."""
        result = self._held.servers if self._held else None
        if result is None:
            result = await self._list(endpoints.SERVERS, parse.servers, attrgetter("id"))
        if self._held:
            self._held.servers = result
        if self._sees is None:
            return result
        seen = [item for item in result if self._sees(item)]
        total = None if result.total is None else max(result.total - len(result), 0) + len(seen)
        return ProviderList(seen, unreadable=result.unreadable, total=total, more=result.more)

    async def get_server(self, server_id: str) -> Server:
        """Return one server in full, its power from its usage if it does not report it.

        Raise NotFoundError without a server.
        """
        result = await self._read(endpoints.SERVER.of(validate_id(server_id)), parse.server(server_id))
        if self._sees is not None and not self._sees(result):
            raise NotFoundError("WAYSCloud knows no such server.")
        return await self._with_power(result) if result.power_unknown else result

    async def _with_power(self, server: Server) -> Server:
        """Return a server with the power from its usage, if that is read soon."""
        usage = Usage()
        with anyio.move_on_after(timings.DETAIL_SECONDS):
            try:
                usage = await self.server_status(server.id)
            except WayscloudError:
                return server
        states = (usage.power_state, usage.status)
        power = next((word for word in states if word and meaning_of_status(word) in {Meaning.ON, Meaning.OFF}), None)
        return server.model_copy(update={"power_state": power}) if power else server

    async def server_status(self, server_id: str) -> Usage:
        """Return the live usage of one server; a stopped one may have none."""
        return await self._read(endpoints.STATUS.of(validate_id(server_id)), parse.usage(server_id))

    async def list_plans(self, region: str = "") -> ProviderList[Plan]:
        """Return the sizes and their prices: all of them, or those of one region, which no page documents."""
        if not region:
            return await self._list(endpoints.PLANS, parse.plans, attrgetter("code"))
        route = endpoints.PLANS_OF_REGION.of("", validate_part(region, "region"))
        return await self._list(route, parse.plans, attrgetter("code"))

    async def list_addons(self, region: str = "") -> ProviderList[Addon]:
        """Return the extras for servers, of all regions or of one. No page documents this call."""
        query = (("region", validate_part(region, "region")),) if region else ()
        return await self._list(endpoints.ADDONS.page(query), parse.addons, attrgetter("code"))

    async def list_os_templates(self) -> ProviderList[OsTemplate]:
        """Return the operating systems for new servers; not every one that create accepts is listed."""
        return await self._list(endpoints.OS_TEMPLATES, parse.os_templates, attrgetter("id"))

    async def list_regions(self) -> ProviderList[Region]:
        """Return the regions for servers; raise NotOfferedError where the API lists none at all.

        The live API may not list them, and has a list of the regions of all services: these are returned as an
        incomplete list then, as servers can be had in more.
        """
        try:
            return await self._list(endpoints.REGIONS, parse.regions, attrgetter("code"))
        except NotOfferedError as error:
            return await self._regions_of_all_services(error)

    async def _regions_of_all_services(self, absent: NotOfferedError) -> ProviderList[Region]:
        try:
            listed = await self._list(endpoints.ALL_REGIONS, parse.regions, attrgetter("code"))
        except (NotOfferedError, NotAuthenticatedError, NotPermittedError, WrongShapeError):  # of that route alone
            raise absent from None
        known = [
            region.model_copy(update={"available": None if region.available else region.available}) for region in listed
        ]
        return ProviderList(known, unreadable=listed.unreadable, more=True)

    async def create_server(self, new: NewServer, *, departure: SendHook | None = None) -> Server:
        """Request a server, once, and return it as far as it is known; it costs money from here on."""
        body: dict[str, JSON] = {
            "hostname": new.hostname,
            "plan_code": new.plan,
            "region": new.region,
            "os_template": new.os_template,
        }
        if new.display_name is not None:
            body["display_name"] = new.display_name
        if new.ssh_keys:
            body["ssh_keys"] = list(new.ssh_keys)
        return await self._caller.write(endpoints.CREATE, parse.created(new), body=body, departure=departure)

    async def start_server(self, server_id: str, *, departure: SendHook | None = None) -> AcceptedOperation:
        """Request power on; the answer confirms only that it was accepted."""
        return await self._power(endpoints.START, server_id, departure)

    async def stop_server(self, server_id: str, *, departure: SendHook | None = None) -> AcceptedOperation:
        """Request a graceful shutdown; the answer confirms only that it was accepted."""
        return await self._power(endpoints.STOP, server_id, departure)

    async def reboot_server(self, server_id: str, *, departure: SendHook | None = None) -> AcceptedOperation:
        """Request a graceful reboot; it may never be visible as a state, only as an uptime that fell."""
        return await self._power(endpoints.REBOOT, server_id, departure)

    async def delete_server(self, server_id: str, *, departure: SendHook | None = None) -> AcceptedOperation:
        """Delete a server and its disk for good; it may be listed for some time. No page documents this call."""
        return await self._power(endpoints.DELETE, server_id, departure)

    async def rename_server(
        self, server_id: str, display_name: str, *, departure: SendHook | None = None
    ) -> AcceptedOperation:
        """Set the display name; the hostname stays. No page documents this call."""
        return await self._update(server_id, {"display_name": display_name}, departure)

    async def upgrade_server(
        self, server_id: str, plan: str, *, departure: SendHook | None = None
    ) -> AcceptedOperation:
        """Move a server to a larger plan, which costs more from then on. No page documents this call."""
        route = endpoints.UPGRADE.of(validate_id(server_id))
        body: dict[str, JSON] = {"new_plan_code": plan}
        return await self._caller.write(route, parse.accepted(server_id), body=body, departure=departure)

    async def _update(
        self, server_id: str, fields: Mapping[str, JSON], departure: SendHook | None
    ) -> AcceptedOperation:
        route = endpoints.UPDATE.of(validate_id(server_id))
        return await self._caller.write(route, parse.accepted(server_id), body=fields, departure=departure)

    async def _power(self, route: endpoints.Route, server_id: str, departure: SendHook | None) -> AcceptedOperation:
        return await self._caller.write(
            route.of(validate_id(server_id)), parse.accepted(server_id), departure=departure
        )
