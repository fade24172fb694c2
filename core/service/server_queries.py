"""Reads at the provider, each by policy, rate and scope."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import structlog
from pydantic import BaseModel

from vpsops.core.authorization.submission import checked, facts, operation_named
from vpsops.core.changes.audit_entries import clean_request
from vpsops.core.changes.preview import on_server, target_of
from vpsops.core.changes.requests import Done, Outcome, Refused, Request
from vpsops.core.changes.scope import OPERATOR, Scope
from vpsops.core.common.errors import InvalidInputError, NotAllowedError
from vpsops.core.common.text import moment
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.registry import ServerArguments
from vpsops.core.operations.server_lists import list_servers, read_in_full
from vpsops.core.operations.server_lookup import locate_server
from vpsops.core.operations.servers import ListArguments, ServerList
from vpsops.core.operations.target import Target
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.service.admission import Admission
from vpsops.core.service.backend import Backend
from vpsops.core.wayscloud.answers.errors import NotOfferedError, WayscloudError
from vpsops.core.wayscloud.answers.models import HeldList, ProviderList, Server
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.transport import RequestLane

if TYPE_CHECKING:
    from vpsops.core.ends.model import ServerEnd

logger = structlog.get_logger(__name__)


class ServerQueries:
    """Runs the registry's reads, and those that lists, reports and forms need besides."""

    __slots__ = ("_admission", "_backend")

    def __init__(self, backend: Backend, admission: Admission) -> None:
        self._backend = backend
        self._admission = admission

    async def read(self, request: Request, *, scope: Scope, held: HeldList | None = None) -> Outcome:
        """Run a read operation or refuse it. With `held`, the list of servers is read once, into it.

        Raises `InvalidInputError` and its kin for arguments that make no sense, `WayscloudError` where the provider
        cannot be read.
        """
        backend = self._backend
        await backend.policy.refresh()
        request = clean_request(request, backend.redactor)
        request = replace(request, origin=backend.workspaces.stamped(request.origin, scope.team))
        operation = operation_named(request.operation)
        if not operation.reads:
            raise InvalidInputError(f"{operation.name} changes servers.", hint="Submit it to the gate.")
        too_fast = await self._admission.admit(request)
        if too_fast is not None:
            return too_fast
        api = backend.api_for(scope, lane=RequestLane.QUESTIONS, held=held, coalesced=True)
        return await self._run(api, operation, checked(operation, request.arguments), request)

    async def _run(self, api: Wayscloud, operation: Operation, arguments: Arguments, request: Request) -> Outcome:
        exceeded = self._backend.policy.latest_limits().forbids(operation.name, documented=operation.documented)
        if exceeded is not None:
            return await self._admission.refuse_for_limit(request, exceeded)
        target: Target | None = None
        if isinstance(arguments, ServerArguments):
            server = await locate_server(api, arguments.server)
            if server.labels is None and self._backend.policy.latest().has_label_conditions:
                server = await api.get_server(server.id)
            target = target_of(server)
            arguments = on_server(arguments, target.id)
        ruling = self._decision(operation, request, target)
        if ruling.decision is not Decision.ALLOW:
            refusal = Refused(
                reason=f"The policy does not let you run {operation.name} here. {ruling.reason}".strip(),
                hint=f"Rules: {', '.join(ruling.rules) or 'none matched'}.",
            )
            about = {"rules": list(ruling.rules), "policy": ruling.policy}
            return await self._admission.refuse(request, refusal, about)
        regions = self._backend.regions
        arguments = await regions.with_ids(api, arguments)
        if isinstance(arguments, ListArguments):
            may_show, named = partial(self._may_show, request), partial(regions.named_servers, api)
            return Done(result=await self._with_ends(await list_servers(api, arguments, may_show, named)))
        result = await self._answer(api, operation, arguments, target)
        named_result: BaseModel = result
        if isinstance(result, Server):
            named_result = await self._with_end((await regions.named_servers(api, [result]))[0])
        return Done(result=named_result, target=target)

    async def _with_end(self, server: Server) -> Server:
        """Return a server with its end, or None for the end."""
        query = "SELECT state, ends_at FROM server_ends WHERE server_id = :server AND state <> 'gone'"
        ends = await self._backend.database.view(lambda view: view.rows(query, server=server.id))
        return server.model_copy(update={"end": end_words(ends[0]["state"], ends[0]["ends_at"])}) if ends else server

    async def _with_ends(self, listed: ServerList) -> ServerList:
        """Return a page of servers, those with an end with that."""
        query = "SELECT server_id, state, ends_at FROM server_ends WHERE state <> 'gone'"
        rows = await self._backend.database.view(lambda view: view.rows(query)) if listed.servers else []
        ends = {row["server_id"]: end_words(row["state"], row["ends_at"]) for row in rows}
        if not ends:
            return listed
        servers = [server.model_copy(update={"end": ends.get(server.id)}) for server in listed.servers]
        return listed.model_copy(update={"servers": servers})

    async def _answer(
        self, api: Wayscloud, operation: Operation, arguments: Arguments, target: Target | None
    ) -> BaseModel:
        """Return a read's result, and remember whether the API offers it."""
        backend = self._backend
        everything = backend.api_for(OPERATOR, lane=RequestLane.QUESTIONS)
        try:
            result = await operation.run(api, arguments, None)
        except NotOfferedError as error:
            await backend.offers.learn(everything, operation, target, error)
            raise
        await backend.offers.forget(everything, operation, target)
        return result

    async def _may_show(self, request: Request, server: Server) -> bool:
        """Return whether the policy allows reading a server in full."""
        return self._decision(OPERATIONS["get"], request, target_of(server)).decision is Decision.ALLOW

    def _decision(self, operation: Operation, request: Request, target: Target | None) -> Ruling:
        policy = self._backend.policy.latest()
        return policy.decide(facts(operation, request.actor, request.origin, target, None, self._backend.clock.now()))

    def may_read(self, request: Request, target: Target | None = None) -> bool:
        """Return whether the policy lets a read run now, on a server that is known already."""
        operation = operation_named(request.operation)
        return operation.reads and self._decision(operation, request, target).decision is Decision.ALLOW

    async def readable_ends(
        self, request: Request, ends: Sequence["ServerEnd"], *, scope: Scope
    ) -> Sequence["ServerEnd"]:
        """Return the ends of those servers that the policy lets an asker read; `request` is for such a read.

        An end knows no label and no region of its server. Where that decides, the provider's list is read; a server
        that it lacks, or that it has without the fact, is withheld.
        """
        targets = {end.server_id: Target(end.server_id, end.hostname) for end in ends}
        if not all(self.may_read(request, target) for target in targets.values()):
            try:
                listed = await self._backend.api_for(scope, lane=RequestLane.QUESTIONS).list_servers()
                targets |= {server.id: target_of(server) for server in listed if server.id in targets}
            except WayscloudError as error:
                logger.info("ends_withheld", error=error.message, error_id=error.error_id)
        return [end for end in ends if self.may_read(request, targets[end.server_id])]

    def may_request(self, request: Request, target: Target) -> bool:
        """Return whether neither the policy nor a limit would refuse an operation on a server outright."""
        operation = operation_named(request.operation)
        limits = self._backend.policy.latest_limits()
        if limits.forbids(operation.name, documented=operation.documented) is not None:
            return False
        if not operation.reads and limits.protects(target, request.actor) is not None:
            return False
        decision = self._decision(operation, request, target).decision
        return decision is Decision.ALLOW or (not operation.reads and decision is not Decision.DENY)

    async def list_all(self, request: Request, *, scope: Scope) -> ProviderList[Server]:
        """Return every server to a caller that the policy lets list them, counted against the caller's rate.

        Raises `NotAllowedError`, `WayscloudError`.
        """
        await self._backend.policy.refresh()
        if not self.may_read(request):
            raise NotAllowedError(f"The policy does not let you run {request.operation} here.")
        too_fast = await self._admission.admit(request)
        if too_fast is not None:
            raise NotAllowedError(too_fast.reason, hint=too_fast.hint)
        api = self._backend.api_for(scope, lane=RequestLane.QUESTIONS)
        listed = await api.list_servers()
        named = await self._backend.regions.named_servers(api, listed)
        return ProviderList(named, unreadable=listed.unreadable, total=listed.total, more=listed.more)

    async def region_id(self, text: str, *, scope: Scope) -> str:
        """Return the id of a region that was typed by its id or its name. Raises `InvalidInputError`."""
        api = self._backend.api_for(scope, lane=RequestLane.QUESTIONS)
        return (await self._backend.regions.names(api)).id_of(text) if text else ""

    async def in_full(
        self,
        request: Request,
        servers: Sequence[Server],
        most: int,
        lacks: Callable[[Server], bool] | None = None,
        *,
        scope: Scope,
    ) -> list[Server]:
        """Return servers, with up to `most` of those that lack a fact read in full.

        The documented list carries little more than name, state and address. A server that cannot be read soon, or
        that the policy or the caller's rate withholds, stays as it was.
        """
        is_lacking = lacks or is_bare
        bare = [server for server in servers if is_lacking(server) and self.may_read(request, target_of(server))]

        async def may(_: Server) -> bool:
            return await self._admission.admit(request) is None

        api = self._backend.api_for(scope, lane=RequestLane.QUESTIONS)
        read = await self._backend.regions.named_servers(api, await read_in_full(api, bare[:most], may))
        by_id = {server.id: server for server in servers} | {server.id: server for server in read}
        return list(by_id.values())


def is_bare(server: Server) -> bool:
    """Return whether the list left out what a server is, or whether it runs."""
    return server.plan is None or server.power_unknown


def end_words(state: str, ends_at: float) -> str:
    """Return a server's end in a few words, by its row."""
    when = moment(datetime.fromtimestamp(ends_at, UTC))
    return f"{when}, then it is stopped" if state == "open" else f"{when} ({state})"
