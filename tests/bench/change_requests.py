"""Who asks and who votes in the measurements, and how a change gets held or decided."""

from typing import Final

from vpsops.core.app import Core
from vpsops.core.changes.model import Change, Verdict
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.policy.decision import Decision

APPROVERS: Final = "C0APPROVALS"
ALICE: Final = Actor(ActorKind.PERSON, "U0ALICE", "alice", "U0ALICE")
BOB: Final = Actor(ActorKind.PERSON, "U0BOB", "bob", "U0BOB", groups=(APPROVERS,))
AGENT: Final = Actor(ActorKind.AGENT, "agent", "agent", "slack:U0ALICE", account="U0ALICE")


async def hold(core: Core, operation: str, actor: Actor, **arguments: str) -> Change:
    """Ask for a change that the policy holds; raises `TypeError` where it does not."""
    origin = Origin("slack" if actor.kind is ActorKind.PERSON else "mcp")
    outcome = await core.gate.submit(Request(operation, arguments, actor, origin, can_confirm=True), scope=OPERATOR)
    if not isinstance(outcome, Held):
        raise TypeError(f"{operation} {arguments} was not held: {outcome}")
    return outcome.change


async def hold_create(core: Core, number: int) -> Change:
    """Ask for a new server with a name of its own."""
    arguments = {"plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}
    return await hold(core, "create", ALICE, hostname=f"new{number:04d}.example.com", **arguments)


async def decide(core: Core, change: Change) -> None:
    """Approve as a permitted person: the asker's own human, or another person."""
    if change.ruling.decision is Decision.CONFIRM:
        await core.gate.confirm(change.id, ALICE, change.digest, scope=OPERATOR)
    else:
        await core.gate.vote(change.id, BOB, Verdict.APPROVE, change.digest, scope=OPERATOR)
