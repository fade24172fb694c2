"""Calls about the parts of a server: a 404 there can be about the server, the part, or the route itself."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from vpsops.core.wayscloud.answers.errors import NotFoundError, NotOfferedError, WayscloudError
from vpsops.core.wayscloud.answers.models import JSON, ProviderList, Server
from vpsops.core.wayscloud.requests.answer_errors import names_route
from vpsops.core.wayscloud.requests.connection import ProviderConnection, ReadContext
from vpsops.core.wayscloud.requests.endpoints import Route

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PartCalls:
    """What a family of calls uses of the client: its connection, its context and its read of a server."""

    connection: ProviderConnection
    context: ReadContext
    get_server: Callable[[str], Awaitable[Server]]

    async def read(self, route: Route, parse: Callable[[JSON], T]) -> T:
        """Return what a route of a server holds.

        Raise NotOfferedError where the server is there and the route is not, NotFoundError where the server is not.
        """
        try:
            return await self.connection.read(route, parse, self.context)
        except NotFoundError as error:
            raise await self._judged(route, error) from error

    async def list(
        self, route: Route, parse: Callable[[JSON], ProviderList[T]], name: Callable[[T], str]
    ) -> ProviderList[T]:
        """Return a list of a server's parts, as `read` does."""
        try:
            return await self.connection.read_list(route, parse, name, self.context)
        except NotFoundError as error:
            raise await self._judged(route, error) from error

    async def read_secret(self, route: Route, parse: Callable[[JSON], T], parts: Callable[[], Awaitable[object]]) -> T:
        """Return a secret, read for one caller alone; `parts` lists what the server has of its kind."""
        try:
            return await self.connection.read(route, parse, replace(self.context, coalesced=False))
        except NotFoundError as error:
            raise await self._judged_part(route, error, parts) from error

    async def _judged(self, route: Route, error: NotFoundError) -> WayscloudError:
        """Return the error that a 404 of a server's route means, by a read of the server."""
        if not names_route(error.detail):
            return error
        try:
            await self.get_server(route.server_id)
        except WayscloudError as trouble:
            return trouble if isinstance(trouble, NotFoundError) else error
        absent = NotOfferedError(
            f"The API does not offer to {route.doing}.", status=error.status, operation=route.name, detail=error.detail
        )
        absent.certain = True
        return absent

    async def _judged_part(
        self, route: Route, error: NotFoundError, parts: Callable[[], Awaitable[object]]
    ) -> WayscloudError:
        """Return the error that a 404 of a part's route means: a route that is missing, or a part."""
        try:
            listed = await parts()
        except (NotFoundError, NotOfferedError) as trouble:
            return trouble
        except WayscloudError:
            return error
        known = isinstance(listed, ProviderList) and any(getattr(part, "id", "") == route.part for part in listed)
        return await self._judged(route, error) if known else error
