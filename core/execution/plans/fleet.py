"""The provider's list of servers as plans count groups in it, read once for all members that begin within a moment.

A list of ten thousand servers takes two thirds of a second (docs/benchmarks.md). What vpsops itself did to a server
since the list was read is never missed: that server is read again by itself, or counts as down.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import anyio
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.changes import repository
from vpsops.core.common.clock import Clock
from vpsops.core.common.timings import FLEET_SECONDS, LABELS_SECONDS
from vpsops.core.operations.server_lists import read_in_full
from vpsops.core.operations.target import Target
from vpsops.core.plans.groups import NOT_KNOWN, may_take_down, servers_under_way
from vpsops.core.storage.database import Database
from vpsops.core.storage.tables import AUDIT, CHANGES
from vpsops.core.wayscloud.answers.errors import NotFoundError, WayscloudError
from vpsops.core.wayscloud.answers.models import ProviderList, Server
from vpsops.core.wayscloud.client import Wayscloud

MOST_READ_AGAIN: Final = 20
"""Servers that are read by themselves: beyond, the whole list is read."""
MOST_UNLABELLED: Final = 200
"""Servers that are down and have their labels read by themselves; of more, each counts in every group."""


@dataclass(frozen=True, slots=True)
class FleetMark:
    """A moment before a read: the number of the trail's last record, and the servers that changes were at then."""

    seq: int
    moving: Mapping[str, Target]

    def servers_down(self, connection: Connection, change_id: str = "") -> list[Target]:
        """Return the servers that may be down whatever a list says that was read after this mark.

        They are those of the changes under way, and of those that ended since; a change by its id does not count.
        """
        moved = servers_moved(connection, self.seq, but=change_id)
        return [*self.moving.values(), *moved, *servers_under_way(connection, but=change_id)]


@dataclass(frozen=True, slots=True)
class FleetList:
    """The servers of the account, all of them read after `mark`; `read_at` is when the list was, in steady seconds."""

    servers: ProviderList[Server]
    mark: FleetMark
    read_at: float


@dataclass(frozen=True, slots=True)
class LabelsRead:
    """The labels of a server that is down; `read_at` is when they were read, in steady seconds."""

    labels: dict[str, str] | None
    read_at: float


@dataclass(slots=True)
class FleetReader:
    """Reads the list for the plans of one process."""

    database: Database
    api: Wayscloud
    clock: Clock
    _held: FleetList | None = None
    _labels: dict[str, LabelsRead] = field(default_factory=dict)
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def read(self) -> FleetList:
        """Return the servers as of now, or of a moment ago but for those that changes moved since.

        Raises `WayscloudError`, `StorageError`.
        """
        async with self._lock:
            now, held = self.clock.monotonic(), self._held
            is_held = held is not None and now - held.read_at <= FLEET_SECONDS
            fleet = await self._read_moved(held) if held is not None and is_held else None
            if fleet is None:
                mark = await self.database.read(_mark)
                fleet = FleetList(await self._labelled(await self.api.list_servers(), now), mark, now)
            self._held = fleet
            return fleet

    async def _labelled(self, listed: ProviderList[Server], now: float) -> ProviderList[Server]:
        """Return a list with the labels of the servers that are down, which the provider leaves out of it.

        Labels that cannot be read stay unknown: such a server may be of any group.
        """
        down = [server for server in listed if not server.ready and server.labels is None]
        self._labels = {ident: each for ident, each in self._labels.items() if now - each.read_at <= LABELS_SECONDS}
        lacking = [server for server in down if server.id not in self._labels]
        if not down or len(lacking) > MOST_UNLABELLED:
            return listed
        for server in await read_in_full(self.api, lacking, _any_server):
            self._labels[server.id] = LabelsRead(server.labels, now)
        known = {server.id: self._labels[server.id].labels for server in down if server.id in self._labels}
        servers = [
            server.model_copy(update={"labels": known[server.id]}) if server.id in known else server
            for server in listed
        ]
        return ProviderList(servers, unreadable=listed.unreadable, total=listed.total, more=listed.more)

    async def _read_moved(self, held: FleetList) -> FleetList | None:
        """Return a list with the servers read again that changes moved; None where they are too many."""
        mark, moved = await self.database.read(lambda connection: _moved_since(connection, held.mark))
        if len(moved) > MOST_READ_AGAIN or NOT_KNOWN.id in moved:
            return None
        servers, unread = {server.id: server for server in held.servers}, dict[str, Target]()
        for ident, target in moved.items():
            try:
                servers[ident] = await self.api.get_server(ident)
            except NotFoundError:
                servers.pop(ident, None)
            except WayscloudError:
                unread[ident] = target
        was = held.servers
        listed = ProviderList(list(servers.values()), unreadable=was.unreadable, total=was.total, more=was.more)
        return FleetList(listed, FleetMark(mark.seq, {**mark.moving, **unread}), held.read_at)


async def _any_server(_server: Server) -> bool:
    """Let every server be read: the limit counts for all, and names none."""
    return True


def _mark(connection: Connection) -> FleetMark:
    return FleetMark(chain.head(connection)[0], _by_id(servers_under_way(connection)))


def _moved_since(connection: Connection, before: FleetMark) -> tuple[FleetMark, Mapping[str, Target]]:
    """Return the mark of this moment, and the servers that changes moved since one before it, and left alone by now."""
    mark = _mark(connection)
    moved = {**before.moving, **_by_id(servers_moved(connection, before.seq))}
    return mark, {ident: target for ident, target in moved.items() if ident not in mark.moving}


def _by_id(targets: Iterable[Target]) -> dict[str, Target]:
    return {target.id: target for target in targets}


def servers_moved(connection: Connection, since: int, *, but: str = "") -> list[Target]:
    """Return the servers of changes that were sent and have a record after number `since` of the trail."""
    recent = sa.select(AUDIT.c.change_id).where(AUDIT.c.seq > since, AUDIT.c.change_id.is_not(None))
    own = CHANGES.c.id.in_(recent) & (CHANGES.c.id != but)
    changes = repository.batch(connection, own, CHANGES.c.sent_at.is_not(None), may_take_down(), limit=None)
    return [change.target for change in changes.rows] + [NOT_KNOWN] * bool(changes.unreadable)
