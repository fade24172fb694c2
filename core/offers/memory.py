"""The memory of absent routes: learned from answers, kept in the database for all processes, read before lists."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError, VpsopsError
from vpsops.core.offers.absences import (
    UNKNOWN_REGION,
    Absences,
    AbsentRoute,
    in_force,
    is_about_route,
    is_absent_if_named_exists,
)
from vpsops.core.operations import Operation
from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.server_lists import MOST, read_in_full
from vpsops.core.operations.target import Target
from vpsops.core.sqlite.reader import json_value
from vpsops.core.storage.database import Database
from vpsops.core.wayscloud.answers.errors import WayscloudError
from vpsops.core.wayscloud.answers.models import Server
from vpsops.core.wayscloud.answers.regions import canonical_region
from vpsops.core.wayscloud.client import Wayscloud

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from vpsops.core.sqlite.reader import DatabaseView


REGION_LENGTH = 100

logger = structlog.get_logger(__name__)


class OfferMemory:
    """What one API did not offer. Another address is another API: what was learned of it is found again there."""

    def __init__(self, database: Database, clock: Clock, api_url: str) -> None:
        self._database = database
        self._clock = clock
        self._api = hashlib.sha256(api_url.rstrip("/").encode()).hexdigest()
        self._latest = Absences()

    @property
    def latest(self) -> Absences:
        """The absences as they were read last."""
        return self._latest

    async def refresh(self) -> Absences:
        """Read the absences in force; raises `StorageError`."""
        rows = await self._database.view(self._rows)
        self._latest = in_force(rows, self._clock.now().timestamp())
        return self._latest

    async def learn(self, api: Wayscloud, operation: Operation, target: Target | None, error: Exception) -> None:
        """Remember what an error shows of the API; one that shows nothing is no news.

        The list of servers is read beside: where it cannot be, the address or a proxy may be wrong, and nothing is
        learned. Raises nothing of the provider or the database: the error itself is on its way to the caller.
        """
        if not is_about_route(error, operation) or (operation.takes_server and (target is None or not target.id)):
            return
        await self._remember(api, operation, target, error)

    async def _remember(self, api: Wayscloud, operation: Operation, target: Target | None, error: Exception) -> None:
        from vpsops.core.offers.stored_absences import put  # noqa: PLC0415 - not for what only reads

        try:
            absent = await self._absent(api, target, error)
            await self._database.transact(lambda connection: put(connection, self._api, absent))
            await self.refresh()
        except (WayscloudError, StorageError) as trouble:
            logger.info("absence_not_stored", operation=operation.name, error=str(trouble))
            return
        logger.info("route_not_offered", route=absent.route, region=absent.region, status=absent.status)

    async def learn_from_refusal(
        self, api: Wayscloud, operation: Operation, arguments: Arguments, target: Target, error: Exception
    ) -> None:
        """Remember what the refusal of a write shows, as `learn` does.

        Where a 404 may be about what the write named, the server is read again and must be there, at rest, and the
        operation's preconditions must hold: a server that is being removed shows nothing of a route.
        """
        if not is_absent_if_named_exists(error, operation) or not target.id:
            await self.learn(api, operation, target, error)
            return
        try:
            server = await api.get_server(target.id)
            await operation.check(api, arguments, server)
        except VpsopsError as trouble:
            logger.info("absence_not_proven", operation=operation.name, error=str(trouble))
            return
        if not (server.pending or server.failed):
            await self._remember(api, operation, target, error)

    async def forget(self, api: Wayscloud, operation: Operation, target: Target | None) -> None:
        """Forget the absence of an operation's own route, which was just served; a failure to is logged."""
        rows = [row for row in self._latest.of(operation) if row.route == operation.routes[0].name]
        if not rows:
            return
        region = region_of(target)
        if target is not None and target.id and not region:
            region = await _region_at(api, target.id)

        from vpsops.core.offers.stored_absences import remove  # noqa: PLC0415 - not for what only reads

        try:
            await self._database.transact(lambda connection: remove(connection, self._api, rows[0].route, region))
            await self.refresh()
        except StorageError as trouble:
            logger.info("absence_not_removed", operation=operation.name, error=str(trouble))

    async def _absent(self, api: Wayscloud, target: Target | None, error: Exception) -> AbsentRoute:
        route, status = getattr(error, "operation", ""), getattr(error, "status", None) or 0
        now = self._clock.now().timestamp()
        servers = await api.list_servers()
        if target is None:
            return AbsentRoute(route, UNKNOWN_REGION, status, now)
        regions = await _regions(api, servers)
        if not servers.complete:
            regions = (*regions, UNKNOWN_REGION)
        region = region_of(target) or await _region_at(api, target.id)
        return AbsentRoute(route, region, status, now, tuple(sorted({*regions, region})))

    def _rows(self, view: DatabaseView) -> list[AbsentRoute]:
        query = "SELECT route, region, status, learned_at, regions FROM absent_routes WHERE api = :api"
        return [_absent_route(row) for row in view.rows(query, api=self._api)]


def _absent_route(row: Mapping[str, Any]) -> AbsentRoute:
    return AbsentRoute(row["route"], row["region"], row["status"], row["learned_at"], tuple(json_value(row["regions"])))


def region_of(target: Target | None) -> str:
    """Return a target's region in the spelling that it is remembered by."""
    return canonical_region(target.region)[:REGION_LENGTH] if target is not None else UNKNOWN_REGION


async def _region_at(api: Wayscloud, server_id: str) -> str:
    """Return the region of a server that the list tells no region of."""
    try:
        server = await api.get_server(server_id)
    except WayscloudError:
        return UNKNOWN_REGION
    return canonical_region(server.region or "")[:REGION_LENGTH]


async def _regions(api: Wayscloud, servers: Sequence[Server]) -> tuple[str, ...]:
    """Return the regions of servers; those of more than can be read soon stay unknown."""

    async def may(_: Server) -> bool:
        return True

    bare = [server for server in servers if not server.region]
    full = {server.id: server for server in await read_in_full(api, bare[:MOST], may)} if bare else {}
    known = [full.get(server.id, server) for server in servers]
    return tuple({canonical_region(server.region or "")[:REGION_LENGTH] for server in known})
