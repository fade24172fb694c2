"""The calls about a server's snapshots."""

from operator import attrgetter

from vpsops.core.wayscloud.answers.models import JSON, AcceptedOperation, ProviderList
from vpsops.core.wayscloud.answers.validate import validate_id, validate_snapshot_name
from vpsops.core.wayscloud.requests import endpoints
from vpsops.core.wayscloud.requests.send_hook import SendHook
from vpsops.core.wayscloud.server_parts import snapshot_answers as answers
from vpsops.core.wayscloud.server_parts.part_calls import PartCalls
from vpsops.core.wayscloud.server_parts.snapshot_answers import Snapshot


class Snapshots:
    """Snapshots of servers. Reads raise `NotOfferedError` where the API has none, writes as `Wayscloud` says."""

    def __init__(self, calls: PartCalls) -> None:
        self._calls = calls

    async def list_snapshots(self, server_id: str) -> ProviderList[Snapshot]:
        """Return the snapshots of one server."""
        route = endpoints.SNAPSHOTS.of(validate_id(server_id))
        return await self._calls.list(route, answers.snapshots, attrgetter("name"))

    async def create_snapshot(
        self, server_id: str, name: str, description: str | None = None, *, departure: SendHook | None = None
    ) -> Snapshot:
        """Request a snapshot, once; it may stand in the list before it is complete."""
        route = endpoints.CREATE_SNAPSHOT.of(validate_id(server_id))
        body: dict[str, JSON] = {"snapshot_name": validate_snapshot_name(name)}
        if description is not None:
            body["description"] = description
        reader = answers.taken(server_id, name)
        return await self._calls.connection.write(route, reader, body=body, departure=departure)

    async def delete_snapshot(
        self, server_id: str, name: str, *, departure: SendHook | None = None
    ) -> AcceptedOperation:
        """Delete a snapshot for good."""
        return await self._on_snapshot(endpoints.DELETE_SNAPSHOT, server_id, name, departure)

    async def rollback_snapshot(
        self, server_id: str, name: str, *, departure: SendHook | None = None
    ) -> AcceptedOperation:
        """Set the disk of a stopped server back to a snapshot; what was written since is lost."""
        return await self._on_snapshot(endpoints.ROLLBACK_SNAPSHOT, server_id, name, departure)

    async def _on_snapshot(
        self, route: endpoints.Route, server_id: str, name: str, departure: SendHook | None
    ) -> AcceptedOperation:
        to = route.of(validate_id(server_id), validate_snapshot_name(name))
        reader = answers.NAMES.accepted(server_id, name)
        return await self._calls.connection.write(to, reader, departure=departure)
