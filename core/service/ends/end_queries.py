"""Reads of servers' ends, each within a scope: other workspaces' and those of hidden servers do not exist."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from vpsops.core.changes.scope import Scope, Visibility
from vpsops.core.ends.model import ServerEnd
from vpsops.core.storage.database import Database

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


class EndQueries:
    """Finds and lists the ends that a scope shows."""

    __slots__ = ("_database", "_visibility")

    def __init__(self, database: Database, visibility: Callable[[Scope], Visibility]) -> None:
        self._database = database
        self._visibility = visibility

    async def of_servers(self, server_ids: Sequence[str], *, scope: Scope) -> Mapping[str, ServerEnd]:
        """Return the ends of some servers that are not gone, by the provider's ids."""
        ends = await self._read(scope, frozenset(server_ids))
        return {end.server_id: end for end in ends}

    async def of_change(self, change_id: str, *, scope: Scope) -> ServerEnd | None:
        """Return the end of the server that a change made; None where it has none, or is gone."""
        return next((end for end in await self._read(scope, None) if end.change_id == change_id), None)

    async def list_open(self, *, scope: Scope) -> Sequence[ServerEnd]:
        """Return the ends of all visible servers, the next one first."""
        return await self._read(scope, None)

    async def _read(self, scope: Scope, servers: frozenset[str] | None) -> list[ServerEnd]:
        from vpsops.core.ends.repository import open_ends  # noqa: PLC0415 - not for what only reads

        visibility = self._visibility(scope)

        def work(connection: "Connection") -> list[ServerEnd]:
            return list(open_ends(connection, visibility.teams, servers=servers))

        ends = await self._database.read(work)
        return [end for end in ends if not scope.servers or scope.servers.sees(end.server_id, end.hostname)]
