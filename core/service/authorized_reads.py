"""Reads beside the registry's: what the policy lets somebody see, without another call to the provider."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from vpsops.core.authorization.submission import facts, operation_named
from vpsops.core.changes.preview import target_of
from vpsops.core.changes.requests import Request
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.operations.server_lists import read_in_full
from vpsops.core.operations.target import Target
from vpsops.core.policy.decision import Decision
from vpsops.core.service.gate import Gate
from vpsops.core.wayscloud.answers.models import HeldList, ProviderList, Server


def may_read(gate: Gate, request: Request, target: Target | None = None) -> bool:
    """Say whether the policy lets somebody run a read now, on a server that is known already."""
    operation = operation_named(request.operation)
    ruling = gate.policy.latest().decide(facts(operation, request, target, None, gate.clock.now()))
    return operation.reads and ruling.decision is Decision.ALLOW


def may_ask(gate: Gate, request: Request, target: Target) -> bool:
    """Say whether the policy would not refuse somebody this on a server; what else it asks of people, it says then."""
    operation = operation_named(request.operation)
    ruling = gate.policy.latest().decide(facts(operation, request, target, None, gate.clock.now()))
    return ruling.decision is Decision.ALLOW or (not operation.reads and ruling.decision is not Decision.DENY)


def over(gate: Gate, held: HeldList) -> Gate:
    """Return a gate whose list of servers is read once, into `held`: it decides and counts each read as ever."""
    return replace(gate, api=gate.api.holding(held))


async def all_servers(gate: Gate, request: Request) -> ProviderList[Server]:
    """Return every server to somebody the policy lets list them; raises `NotAllowedError`, `WayscloudError`.

    It counts against their rate as any read does.
    """
    await gate.policy.refresh()
    if not may_read(gate, request):
        raise NotAllowedError(f"The policy does not let you run {request.operation} here.")
    too_fast = await gate.admit(request)
    if too_fast is not None:
        raise NotAllowedError(too_fast.reason, hint=too_fast.hint)
    return await gate.api.list_servers()


async def in_full(
    gate: Gate, request: Request, servers: Sequence[Server], most: int, lacks: Callable[[Server], bool] | None = None
) -> list[Server]:
    """Return servers with those read in full of which a fact is missing, `most` of them at most.

    The documented list carries little more than name, state and address. One that cannot be read soon, or that
    the policy or their rate keeps from whoever asks, stays as it was.
    """
    lacks = lacks or is_bare
    known = {one.id: one for one in servers}
    bare = [server for server in servers if lacks(server) and may_read(gate, request, target_of(server))]

    async def may(_: Server) -> bool:
        return await gate.admit(request) is None

    return list((known | {one.id: one for one in await read_in_full(gate.api, bare[:most], may)}).values())


def is_bare(server: Server) -> bool:
    """Tell whether the list left out what a server is, or whether it runs."""
    return server.plan is None or server.power_unknown
