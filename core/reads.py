"""Reads beside the registry's: what the policy lets somebody see, without another call to the provider."""

from collections.abc import Sequence

import anyio

from core.changes.model import Decision, Target
from core.changes.preview import target_of
from core.errors import NotAllowed
from core.gate import Gate
from core.requests import Request
from core.submission import facts, operation_named
from core.timing import DETAIL_SECONDS
from core.wayscloud.errors import WayscloudError
from core.wayscloud.models import Listing, Server

AT_ONCE = 4


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


async def all_servers(gate: Gate, request: Request) -> Listing[Server]:
    """Return every server to somebody the policy lets list them; raises `NotAllowed`, `WayscloudError`.

    It counts against their rate as any read does.
    """
    if not may_read(gate, request):
        raise NotAllowed(f"The policy does not let you run {request.operation} here.")
    too_fast = await gate.admit(request)
    if too_fast is not None:
        raise NotAllowed(too_fast.reason, hint=too_fast.hint)
    return await gate.api.list_servers()


async def in_full(gate: Gate, request: Request, servers: Sequence[Server], most: int) -> list[Server]:
    """Return servers with those read in full that the list tells no plan of, `most` of them at most.

    The documented list carries little more than name, state and address. One that cannot be read soon, or that
    the policy or their rate keeps from whoever asks, stays as it was.
    """
    known = {one.id: one for one in servers}
    bare = [one for one in servers if one.plan is None and may_read(gate, request, target_of(one))]
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def read(ident: str) -> None:
        async with limiter:
            if await gate.admit(request) is not None:
                return
            try:
                known[ident] = await gate.api.get_server(ident)
            except WayscloudError:
                return

    with anyio.move_on_after(DETAIL_SECONDS):
        async with anyio.create_task_group() as group:
            for one in bare[:most]:
                group.start_soon(read, one.id)
    return list(known.values())
