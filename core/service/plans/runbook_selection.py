"""The members of a requested runbook: each step on each of its servers, as earlier steps will have left it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import anyio

from vpsops.core.authorization.submission import checked
from vpsops.core.changes.preview import Preview, previewed, target_of
from vpsops.core.changes.scope import Scope
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.operations import OPERATIONS
from vpsops.core.plans.requests import LeftOut, PlanRequest
from vpsops.core.plans.steps import StepPart
from vpsops.core.runbooks.model import StepOrder
from vpsops.core.runbooks.requests import RunbookRequest
from vpsops.core.runbooks.values import FilledStep
from vpsops.core.service.backend import Backend
from vpsops.core.service.plans.selection import AT_ONCE, PlannedPart, PlannedServers, PlanSelection, WithheldServer
from vpsops.core.wayscloud.answers.errors import WayscloudError
from vpsops.core.wayscloud.answers.models import Server
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.transport import RequestLane

MOST_MEMBERS: Final = 200


@dataclass(frozen=True, slots=True)
class PlannedMember:
    """One step on one server, or a compensation of it: `previews` in the states that its server may have then."""

    part: StepPart
    previews: tuple[Preview, ...]
    place: int = 0  # of a compensation, among those of its step


@dataclass(frozen=True, slots=True)
class StepSelection:
    """The ids of the servers of a step and of each of its compensations."""

    step: FilledStep
    servers: tuple[str, ...]
    compensations: tuple[tuple[FilledStep, tuple[str, ...]], ...]


@dataclass(slots=True)
class RunbookSelection:
    """Selects the servers of one request, and previews each step on each of them."""

    backend: Backend
    asked: RunbookRequest
    scope: Scope
    _servers: dict[str, Server] = field(default_factory=dict)
    _explicit: set[str] = field(default_factory=set)
    _left_out: dict[str, str] = field(default_factory=dict)
    _lacks: dict[str, None] = field(default_factory=dict)
    _selected: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _named: dict[str, tuple[Server, ...]] = field(default_factory=dict)
    _withheld: list[WithheldServer] = field(default_factory=list)

    async def find(self, most: int) -> PlannedServers:
        """Return the members of the runbook; of more than `most` servers none is read.

        A server that one step cannot be done to is left out of all; raises `InvalidInputError` where it was named.
        """
        api = self.backend.api_for(self.scope, lane=RequestLane.WORK)
        steps = [await self._selection(api, step) for step in self.asked.steps]
        if self._withheld:
            return PlannedServers(withheld=tuple(self._withheld))
        if len(self._servers) > most:
            return PlannedServers(selected=len(self._servers))
        await self._read_in_full(api)
        planned: dict[str, list[PlannedMember]] = {}
        for server_id in list(self._servers):
            try:
                planned[server_id] = await self._members_of(api, self._servers[server_id], steps)
            except (InvalidInputError, WayscloudError) as error:
                self._left_out.setdefault(server_id, error.message.rstrip("."))
        return self._found(planned)

    async def _selection(self, api: Wayscloud, step: FilledStep) -> StepSelection:
        servers = await self._ids(api, step)
        return StepSelection(step, servers, tuple([(each, await self._ids(api, each)) for each in step.compensations]))

    async def _ids(self, api: Wayscloud, step: FilledStep) -> tuple[str, ...]:
        """Return the ids of the servers of a step; raises `InvalidInputError` where there are none."""
        key, selection = step.selection.words, self._single(step)
        if key in self._selected:
            self._withheld += await selection.withheld(api, self._named[key])
            return self._selected[key]
        selected = await selection.select(api)
        self._named[key] = selected.named
        self._withheld += await selection.withheld(api, selected.named)
        servers = [server for server in selected.servers if selection.is_readable(server, selected)]
        if not servers and not self._withheld:
            raise InvalidInputError(
                f"No server matches {step.selection.words or 'a step'}. Nothing was done.", hint="List the servers."
            )
        locks = await selection.locks(servers)
        for server in servers:
            self._servers.setdefault(server.id, server)
            why = selection.obstacle(target_of(server), locks.get(server.id))
            if server.id in selected.explicit:
                self._explicit.add(server.id)
            if why:
                self._left_out.setdefault(server.id, why)
        if selected.lack:
            self._lacks[selected.lack] = None
        self._selected[key] = tuple(server.id for server in servers)
        return self._selected[key]

    def _single(self, step: FilledStep) -> PlanSelection:
        """Return the selection of one step, as if a plan were asked for."""
        request = replace(self.asked.request, operation=step.operation, arguments=step.arguments)
        planned = PlanRequest(request, step.selection)
        return PlanSelection(self.backend, OPERATIONS[step.operation], planned, self.scope)

    async def _read_in_full(self, api: Wayscloud) -> None:
        limiter = anyio.CapacityLimiter(AT_ONCE)

        async def read(server_id: str) -> None:
            async with limiter:
                try:
                    self._servers[server_id] = await api.get_server(server_id)
                except WayscloudError as error:
                    self._left_out.setdefault(server_id, f"it could not be read: {error.message}")

        async with anyio.create_task_group() as group:
            for server_id in list(self._servers):
                group.start_soon(read, server_id)

    async def _members_of(self, api: Wayscloud, server: Server, steps: Sequence[StepSelection]) -> list[PlannedMember]:
        """Return the members on one server in the order of the steps; raises where one cannot be done to it."""
        members: list[PlannedMember] = []
        counted: list[str] = []
        current = server
        for number, selected in enumerate(steps, 1):
            after = current
            if server.id in selected.servers:
                seen, after = await self._preview(api, selected.step, number, current, counted)
                members.append(
                    PlannedMember(StepPart(number, probe=selected.step.probe, monthly=seen.monthly), (seen,))
                )
            states = [current, after] if after is not current else [current]
            for place, (compensation, servers) in enumerate(selected.compensations):
                if server.id in servers:
                    previews, states = await self._alternatives(api, compensation, number, states, counted)
                    members.append(PlannedMember(StepPart(number, compensates=True), previews, place))
            current = after
        return members

    async def _preview(
        self, api: Wayscloud, step: FilledStep, number: int, server: Server, counted: list[str]
    ) -> tuple[Preview, Server]:
        """Return what a step would do to a server, and the server after it."""
        operation = OPERATIONS[step.operation]
        if operation.counts_runs and operation.name in counted:
            raise InvalidInputError(f"step {number}: {operation.word} comes once for a server in a runbook.")
        counted.append(operation.name)
        why = self._single(step).obstacle(target_of(server), None)
        if why:
            raise InvalidInputError(f"step {number} ({operation.word}): {why}")
        arguments = checked(operation, {**step.arguments, "server": server.id})
        try:
            precheck = await operation.check(api, arguments, server)
        except InvalidInputError as error:
            raise InvalidInputError(f"step {number} ({operation.word}): {error.message.rstrip('.')}") from None
        seen = previewed(operation, arguments, server, precheck)
        if operation.leads_to is None:
            raise InvalidInputError(f"step {number}: {operation.word} is no step of a runbook.")
        resolved = operation.arguments.model_validate(dict(seen.arguments))
        return seen, operation.leads_to(server, resolved, precheck.details)

    async def _alternatives(
        self, api: Wayscloud, step: FilledStep, number: int, servers: Sequence[Server], counted: list[str]
    ) -> tuple[tuple[Preview, ...], list[Server]]:
        """Return what a compensation would do before and after its step, and the server after it.

        Only what shows the same facts counts. Raises `InvalidInputError` where it can be done in neither state.
        """
        previews: list[Preview] = []
        states: list[Server] = []
        why: InvalidInputError | None = None
        own = list(counted)
        for server in servers:
            try:
                seen, after = await self._preview(api, step, number, server, list(own))
            except InvalidInputError as error:
                why = error
                states.append(server)
                continue
            states.append(after)
            if not previews or seen.facts == previews[0].facts:
                previews.append(seen)
        counted.append(step.operation)
        if not previews:
            raise why or InvalidInputError(f"step {number}: its compensation cannot be done.")
        return tuple(previews), states

    def _found(self, planned: Mapping[str, Sequence[PlannedMember]]) -> PlannedServers:
        """Return the members in the order of the runbook; raises `InvalidInputError` for a named server left out."""
        named = [server for server in self._left_out if server in self._explicit]
        if named:
            words = "; ".join(f"{self._servers[server].hostname}: {self._left_out[server]}" for server in named)
            raise InvalidInputError(
                f"{words}. A runbook does all its steps or none, so nothing was requested.",
                hint="Correct the steps, or name other servers.",
            )
        kept = {server: members for server, members in planned.items() if server not in self._left_out}
        rolling = self.asked.runbook.order is StepOrder.SERVERS
        members = [
            replace(member, part=replace(member.part, only=server)) if rolling and member.part.compensates else member
            for server, own in kept.items()
            for member in own
        ]
        if len(members) > MOST_MEMBERS:
            raise InvalidInputError(f"More than {MOST_MEMBERS} changes.", hint="Name fewer servers.")
        steps = [member for member in members if not member.part.compensates]
        if not rolling:
            steps.sort(key=lambda member: member.part.number)
        ordered = [*steps, *_compensations(members)]
        left_out = tuple(LeftOut(self._servers[server].hostname, why) for server, why in self._left_out.items())
        return PlannedServers(
            tuple(member.previews[0] for member in ordered),
            left_out,
            " ".join(self._lacks),
            len(self._servers),
            tuple(PlannedPart(member.part, member.previews[1:]) for member in ordered),
            {server: target_of(self._servers[server]) for server in kept},
        )


def _compensations(members: Sequence[PlannedMember]) -> list[PlannedMember]:
    """Return the compensations of each step in their declared order, each on all of its servers."""
    compensations = [member for member in members if member.part.compensates]
    return sorted(compensations, key=lambda member: (member.part.number, member.place))
