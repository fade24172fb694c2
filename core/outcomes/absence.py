"""Servers that the list does not show: each is read by its id, and only a 404 there counts towards its absence.

A list may lag behind, have pages, or show a new server only once it is ready.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import anyio
import structlog

from vpsops.core.changes.model import Change
from vpsops.core.common.clock import Clock
from vpsops.core.common.timings import Timing
from vpsops.core.outcomes.outcome import FleetSnapshot, is_about, target_server_id
from vpsops.core.wayscloud.answers import errors as provider_errors
from vpsops.core.wayscloud.answers.models import Server
from vpsops.core.wayscloud.client import Wayscloud

logger = structlog.get_logger(__name__)
AT_ONCE: Final = 32


def split_by_list(changes: Sequence[Change], snapshot: FleetSnapshot) -> tuple[list[Change], list[Change]]:
    """Return the changes with a server listed under their stored id, and those without."""
    by_id = {server.id: server for server in snapshot.servers}
    listed: list[Change] = []
    unlisted: list[Change] = []
    for change in changes:
        server = by_id.get(target_server_id(change))
        (unlisted if server is None or not is_about(change, server) else listed).append(change)
    return listed, unlisted


@dataclass(slots=True)
class DirectReads:
    """Reads servers by their ids, and remembers since when each answers 404."""

    api: Wayscloud
    clock: Clock
    timing: Timing
    _absent: dict[str, float] = field(default_factory=dict)  # by change, since when by the steady clock

    def forget(self, kept: Collection[str]) -> None:
        """Forget all changes but these."""
        self._absent = {change_id: since for change_id, since in self._absent.items() if change_id in kept}

    async def completed(self, changes: Sequence[Change], snapshot: FleetSnapshot) -> FleetSnapshot:
        """Return a poll with the answers of these changes' servers, as far as they arrive within the poll's budget."""
        answers: dict[str, Server] = {}
        limiter = anyio.CapacityLimiter(AT_ONCE)

        async def read(change: Change) -> None:
            async with limiter:
                server = await self._read(change)
                if server is not None:
                    answers[server.id] = server

        with anyio.move_on_after(self.timing.read_budget):
            async with anyio.create_task_group() as reads:
                for change in changes:
                    if target_server_id(change):
                        reads.start_soon(read, change)
        listed = [server for server in snapshot.servers if server.id not in answers]
        now = self.clock.monotonic()
        absent = {change.id: now - self._absent[change.id] for change in changes if change.id in self._absent}
        return replace(
            snapshot, servers=[*listed, *answers.values()], absent=absent, full=snapshot.full | answers.keys()
        )

    async def _read(self, change: Change) -> Server | None:
        ident = target_server_id(change)
        try:
            server = await self.api.get_server(ident)
        except provider_errors.NotFoundError:
            self._absent.setdefault(change.id, self.clock.monotonic())
            return None
        except provider_errors.WayscloudError as error:
            logger.info("server_unreadable", change=change.id, server=ident, error=error.message)
            return None
        self._absent.pop(change.id, None)
        return server
