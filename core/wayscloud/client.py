"""The provider's VPS API, typed: its calls in one dialect, for any dialect of the service."""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from types import TracebackType
from typing import Self, TypeVar

import anyio

from vpsops.core.common import timings
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
    NewServer,
    OsTemplate,
    Plan,
    ProviderList,
    Region,
    Server,
    Usage,
)
from vpsops.core.wayscloud.answers.regions import canonical_region
from vpsops.core.wayscloud.answers.states import Meaning, meaning_of_status
from vpsops.core.wayscloud.answers.validate import validate_id, validate_part
from vpsops.core.wayscloud.requests import endpoints
from vpsops.core.wayscloud.requests.connection import QUESTIONS, ProviderConnection, ReadContext
from vpsops.core.wayscloud.requests.endpoints import Route
from vpsops.core.wayscloud.requests.send_hook import SendHook
from vpsops.core.wayscloud.server_parts.backups import Backups
from vpsops.core.wayscloud.server_parts.firewall import Firewall
from vpsops.core.wayscloud.server_parts.part_calls import PartCalls
from vpsops.core.wayscloud.server_parts.snapshots import Snapshots

T = TypeVar("T")


class Wayscloud:
    """The API as one caller uses it, on a connection that others share.

    A caller that has a connection to itself may use this as its async context manager.

    Reads are retried where that can help, and raise `WayscloudError`. Writes are sent once: they raise
    `ProviderRefusedError` when the provider refuses, `NotSentError` when nothing left, `OutcomeUnknownError` when the
    answer is unclear. A write connects first and then asks its `departure`; its `before_send` is the last
    instant before its first byte leaves. A write that is cancelled may have left: treat it as unknown.
    """

    __slots__ = ("_connection", "_context")

    def __init__(self, connection: ProviderConnection, context: ReadContext = QUESTIONS) -> None:
        self._connection = connection
        self._context = context

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, trace)

    async def _read(self, route: Route, parse: Callable[[JSON], T]) -> T:
        return await self._connection.read(route, parse, self._context)

    async def _list(
        self, route: Route, parse: Callable[[JSON], ProviderList[T]], name: Callable[[T], str]
    ) -> ProviderList[T]:
        return await self._connection.read_list(route, parse, name, self._context)

    @property
    def backups(self) -> Backups:
        """Return the calls about servers' backups."""
        return Backups(self._part_calls, self._connection.clock)

    @property
    def firewall(self) -> Firewall:
        """Return the calls about servers' firewalls."""
        return Firewall(self._part_calls)

    @property
    def snapshots(self) -> Snapshots:
        """Return the calls about servers' snapshots."""
        return Snapshots(self._part_calls)

    @property
    def _part_calls(self) -> PartCalls:
        return PartCalls(self._connection, self._context, self.get_server)

    async def list_servers(self) -> ProviderList[Server]:
        """Return all servers of the account; the documented entries carry little more than name, state and address."""
        visible, held = self._context.visible, self._context.held
        servers = held.servers if held else None
        if servers is None:
            servers = await self._list(endpoints.SERVERS, parse.servers, attrgetter("id"))
        if held:
            held.servers = servers
        if visible is None:
            return servers
        shown = [server for server in servers if visible(server)]
        total = None if servers.total is None else max(servers.total - len(servers), 0) + len(shown)
        return ProviderList(shown, unreadable=servers.unreadable, total=total, more=servers.more)

    async def get_server(self, server_id: str) -> Server:
        """Return one server in full, its power from its usage if it does not report it.

        Raise NotFoundError without a server.
        """
        server = await self._read(endpoints.SERVER.of(validate_id(server_id)), parse.server(server_id))
        if self._context.visible is not None and not self._context.visible(server):
            raise NotFoundError("WAYSCloud knows no such server.")
        return await self._with_power(server) if server.power_unknown else server

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
        """Return the extras for servers, of all regions or one region. No page documents this call."""
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

    async def named_regions(self, regions: Sequence[Region]) -> list[Region]:
        """Return regions with the names that the list of all services has for those without one, if it can be read."""
        if all(region.name for region in regions):
            return list(regions)
        try:
            listed = await self._list(endpoints.ALL_REGIONS, parse.regions, attrgetter("code"))
        except WayscloudError:
            return list(regions)
        known = {canonical_region(region.code): region for region in listed}
        nameless = Region(code="")
        return [
            region if region.name else region.model_copy(update={"name": other.name, "city": region.city or other.city})
            for region, other in ((item, known.get(canonical_region(item.code), nameless)) for item in regions)
        ]

    async def list_named_regions(self) -> ProviderList[Region]:
        """Return the regions of all services, or those for servers where there is no such list: a source of names."""
        try:
            return await self._list(endpoints.ALL_REGIONS, parse.regions, attrgetter("code"))
        except NotOfferedError:
            return await self._list(endpoints.REGIONS, parse.regions, attrgetter("code"))

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
        return await self._connection.write(endpoints.CREATE, parse.created(new), body=body, departure=departure)

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
        return await self._update(endpoints.UPDATE, server_id, {"display_name": display_name}, departure)

    async def label_server(
        self, server_id: str, labels: Mapping[str, str], *, departure: SendHook | None = None
    ) -> AcceptedOperation:
        """Replace all labels of a server. No page documents this call."""
        return await self._update(endpoints.LABEL, server_id, {"labels": dict(labels)}, departure)

    async def tag_server(
        self, server_id: str, tags: Sequence[str], *, departure: SendHook | None = None
    ) -> AcceptedOperation:
        """Replace all tags of a server. No page documents this call."""
        return await self._update(endpoints.LABEL, server_id, {"tags": list(tags)}, departure)

    async def upgrade_server(
        self, server_id: str, plan: str, *, departure: SendHook | None = None
    ) -> AcceptedOperation:
        """Move a server to a larger plan, which costs more from then on. No page documents this call."""
        route = endpoints.UPGRADE.of(validate_id(server_id))
        body: dict[str, JSON] = {"new_plan_code": plan}
        return await self._connection.write(route, parse.accepted(server_id), body=body, departure=departure)

    async def _update(
        self, route: Route, server_id: str, fields: Mapping[str, JSON], departure: SendHook | None
    ) -> AcceptedOperation:
        route = route.of(validate_id(server_id))
        return await self._connection.write(route, parse.accepted(server_id), body=fields, departure=departure)

    async def _power(self, route: Route, server_id: str, departure: SendHook | None) -> AcceptedOperation:
        return await self._connection.write(
            route.of(validate_id(server_id)), parse.accepted(server_id), departure=departure
        )
