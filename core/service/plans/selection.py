"""The servers of a requested plan, each read as for a change of its own: those in it, and those left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import anyio
from sqlalchemy.engine import Connection

from vpsops.core.authorization.submission import checked, facts
from vpsops.core.authorization.withheld import withholding
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change
from vpsops.core.changes.preview import Preview, previewed, target_of
from vpsops.core.changes.scope import Scope
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.offers.absences import refusal_text
from vpsops.core.offers.memory import region_of
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.server_lists import MOST, read_in_full
from vpsops.core.operations.servers import lacks_fact
from vpsops.core.operations.strategies import no_facts
from vpsops.core.operations.target import Target
from vpsops.core.plans.requests import LeftOut, PlanRequest
from vpsops.core.plans.selection import SelectedServers, candidates, narrowed, query_of
from vpsops.core.plans.steps import StepPart
from vpsops.core.policy import PolicyContext
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.service.backend import Backend
from vpsops.core.storage.tables import CHANGES
from vpsops.core.wayscloud.answers.errors import WayscloudError
from vpsops.core.wayscloud.answers.models import Server
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.transport import RequestLane

ALLOW: Final = Decision.ALLOW
MOST_WITHHELD: Final = 5
"""Withheld servers that a refusal names: one is enough to refuse."""
AT_ONCE: Final = 8
"""Servers that are read at the same time for one question."""


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """The part of a previewed member in a runbook, and what it would do where its server is in another state then."""

    part: StepPart
    others: tuple[Preview, ...] = ()


@dataclass(frozen=True, slots=True)
class WithheldServer:
    """A server that was named by who may neither read nor change it, and the ruling that refuses it."""

    hostname: str
    ruling: Ruling


@dataclass(frozen=True, slots=True)
class PlannedServers:
    """What would be done to each server of a plan, and the servers that are left out.

    With a withheld server nothing else is there: no fact of it was read for the question.
    """

    previews: tuple[Preview, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    lack: str = ""
    selected: int = 0  # before any was left out
    parts: tuple[PlannedPart, ...] = ()  # of a runbook: one for each preview
    now: Mapping[str, Target] = field(default_factory=dict)  # of a runbook: its servers as they are, by their ids
    withheld: tuple[WithheldServer, ...] = ()


@dataclass(slots=True)
class PlanSelection:
    """Selects and previews the servers of one request."""

    backend: Backend
    operation: Operation
    planned: PlanRequest
    scope: Scope
    _previews: dict[str, Preview] = field(default_factory=dict)
    _left_out: dict[str, LeftOut] = field(default_factory=dict)

    async def find(self, most: int) -> PlannedServers:
        """Return the servers that are in the plan; more than `most` are counted and not read.

        Raises `InvalidInputError` where a name means no server or several, `WayscloudError`, `StorageError`.
        """
        api = self.backend.api_for(self.scope, lane=RequestLane.WORK)
        selected = await self.select(api)
        servers = [server for server in selected.servers if self.is_readable(server, selected)]
        withheld = await self.withheld(api, selected.named)
        if withheld:
            return PlannedServers(withheld=withheld)
        locks = await self.locks(servers)
        free = [server for server in servers if self._is_free(server, locks)]
        if len(free) <= most:
            limiter = anyio.CapacityLimiter(AT_ONCE)
            async with anyio.create_task_group() as group:
                for server in free:
                    group.start_soon(self._preview, api, server, limiter)
        previews = tuple(self._previews[server.id] for server in free if server.id in self._previews)
        left_out = tuple(self._left_out[server.id] for server in servers if server.id in self._left_out)
        return PlannedServers(previews, left_out, selected.lack, len(free))

    async def select(self, api: Wayscloud) -> SelectedServers:
        """Return the servers that the words mean; raises as `find` does."""
        query = await self.backend.regions.with_ids(api, query_of(self.planned.selection))
        selected = candidates(self.planned.selection, await api.list_servers())
        lacking = [server for server in selected.servers if lacks_fact(server, query)][:MOST]
        if lacking:
            full = {server.id: server for server in await read_in_full(api, lacking, self._may_read)}
            servers = tuple(full.get(server.id, server) for server in selected.servers)
            selected = replace(selected, servers=servers)
        return narrowed(query, selected)

    def is_readable(self, server: Server, selected: SelectedServers) -> bool:
        """Return whether a server may be named to who asks: one that they named, or that they may read."""
        return server.id in selected.explicit or self._decides(OPERATIONS["get"], target_of(server)) is Decision.ALLOW

    async def withheld(self, api: Wayscloud, servers: Sequence[Server]) -> tuple[WithheldServer, ...]:
        """Return those of named servers that the policy keeps from who asks, whatever the filters would leave."""
        kept_away = list[WithheldServer]()
        unreadable = (server for server in servers if self._decides(OPERATIONS["get"], target_of(server)) is not ALLOW)
        for server in unreadable:
            full = await api.get_server(server.id) if self._lacks(server) else server
            ruling = withholding(self.backend.policy.latest(), self._context(self.operation, target_of(full)))
            if ruling is not None:
                kept_away.append(WithheldServer(server.hostname, ruling))
            if len(kept_away) >= MOST_WITHHELD:
                break
        return tuple(kept_away)

    async def _may_read(self, server: Server) -> bool:
        return self._decides(OPERATIONS["get"], target_of(server)) is Decision.ALLOW

    def _decides(self, operation: Operation, target: Target) -> Decision:
        return self.backend.policy.latest().decide(self._context(operation, target)).decision

    def _context(self, operation: Operation, target: Target) -> PolicyContext:
        request, now = self.planned.request, self.backend.clock.now()
        return facts(operation, request.actor, request.origin, target, None, now)

    async def locks(self, servers: Sequence[Server]) -> Mapping[str, Change]:
        """Return the open changes by the ids of their servers."""
        keys = [target_of(server).key for server in servers]

        def find(connection: Connection) -> list[Change]:
            return repository.select(connection, CHANGES.c.lock.in_(keys), limit=None) if keys else []

        return {change.target.id: change for change in await self.backend.database.read(find)}

    def _is_free(self, server: Server, locks: Mapping[str, Change]) -> bool:
        """Return whether nothing keeps a server out that is known without reading more of it."""
        why = self.obstacle(target_of(server), locks.get(server.id))
        if why:
            self._left_out[server.id] = LeftOut(server.hostname, why)
        return not why

    def obstacle(self, target: Target, first: Change | None) -> str:
        """Return why a server is left out that is known without more reads, or ""; `first` is the change on it."""
        limits = self.backend.policy.latest_limits()
        known = target if target.labels is not None else replace(target, labels=())  # those are judged once read
        protected = limits.protects(known, self.planned.request.actor)
        if protected is not None:
            return f"protected (the limit {protected.limit})"
        if first is not None:
            visible = self.backend.workspaces.shows(first, self.scope.team) and self.scope.servers.shows(first.target)
            return f"busy with {first.id}" if visible else "busy with another change"
        absent = self.backend.offers.latest.own(self.operation, region_of(target))
        return refusal_text(self.operation, absent, target.region_name)[0] if absent is not None else ""

    def _lacks(self, server: Server) -> bool:
        policy, limits = self.backend.policy.latest(), self.backend.policy.latest_limits()
        by_label = policy.has_label_conditions or limits.has_labels or self.operation.describe is not no_facts
        return lacks_shown_facts(server) or (by_label and server.labels is None)

    async def _preview(self, api: Wayscloud, server: Server, limiter: anyio.CapacityLimiter) -> None:
        """Look at a server as the preview of a change of its own does."""
        async with limiter:
            try:
                full = await api.get_server(server.id) if self._lacks(server) else server
                obstacle = self.obstacle(target_of(full), None)
                if obstacle:
                    self._left_out[server.id] = LeftOut(server.hostname, obstacle)
                    return
                arguments = checked(self.operation, {**self.planned.request.arguments, "server": server.id})
                seen = await self.operation.check(api, arguments, full)
                self._previews[server.id] = previewed(self.operation, arguments, full, seen)
            except InvalidInputError as error:
                self._left_out[server.id] = LeftOut(server.hostname, error.message.rstrip("."))
            except WayscloudError as error:
                self._left_out[server.id] = LeftOut(server.hostname, f"it could not be read: {error.message}")


def lacks_shown_facts(server: Server) -> bool:
    """Return whether an entry of the list lacks a fact that is shown of a server and hashed."""
    return server.power_unknown or None in (server.plan, server.region, server.ipv4 or server.ipv6)
