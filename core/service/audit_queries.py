"""Reads of the audit trail."""

from collections.abc import Callable, Sequence

import anyio

from vpsops.core.audit import chain, pages
from vpsops.core.audit.pages import AuditPage
from vpsops.core.audit.queries import RecordFilter, newest_of, of_teams
from vpsops.core.audit.records import TrailRecord
from vpsops.core.monitoring import change_feed
from vpsops.core.monitoring.change_feed import ChangeEvent
from vpsops.core.service.backend import Backend


class AuditQueries:
    """Reads the trail, a page or the newest records, and follows it; each call raises `StorageError`."""

    __slots__ = ("_backend",)

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def page(self, record_filter: RecordFilter, *, before: int | None, limit: int) -> AuditPage:
        """Return a page, newest first, of what the filter and its workspaces show."""
        return await self._backend.database.read(
            lambda connection: pages.page(connection, record_filter, before=before, limit=limit)
        )

    async def newest(self, limit: int, teams: frozenset[str]) -> Sequence[TrailRecord]:
        """Return the last records of some workspaces (empty: of all), oldest first."""
        return await self._backend.database.read(
            lambda connection: of_teams(connection, chain.newest(connection, limit), teams)
        )

    async def newest_of(self, people: frozenset[str], limit: int, teams: frozenset[str]) -> Sequence[TrailRecord]:
        """Return the last records of a person, by all their ids (in lower case), oldest first."""
        return await self._backend.database.read(lambda connection: newest_of(connection, people, limit, teams))

    async def follow(self, listener: Callable[[Sequence[ChangeEvent]], None], ready: anyio.Event) -> None:
        """Pass on all that any process stores from now on, until cancelled; `ready` is set once nothing is missed."""
        await change_feed.follow(self._backend.database, self._backend.clock, listener, ready)
