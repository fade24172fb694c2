"""Reads beside the registry's: what the policy lets somebody see, without another call to the provider."""

from core.changes.model import Decision, Target
from core.errors import NotAllowed
from core.gate import Gate, facts, operation_named
from core.requests import Request
from core.wayscloud.models import Listing, Server


def may_read(gate: Gate, request: Request, target: Target | None = None) -> bool:
    """Say whether the policy lets somebody run a read now, on a server that is known already."""
    operation = operation_named(request.operation)
    ruling = gate.policy.decide(facts(operation, request, target, None, gate.clock.now()))
    return operation.reads and ruling.decision is Decision.ALLOW


async def all_servers(gate: Gate, request: Request) -> Listing[Server]:
    """Return every server to somebody the policy lets list them; raises `NotAllowed`, `WayscloudError`."""
    if not may_read(gate, request):
        raise NotAllowed(f"The policy does not let you run {request.operation} here.")
    return await gate.api.list_servers()
