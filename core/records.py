"""What the audit trail keeps of who asked for what, and how people's words are kept; pure."""

from typing import Any, Final

from core.changes.model import Actor, Ruling
from core.changes.preview import Preview
from core.requests import Request

MAX_REASON: Final = 500


def worded(text: str) -> str:
    """Return somebody's words as they are kept: without control characters and half characters, and not too long."""
    kept = "".join(one if one.isprintable() or one == "\n" else " " for one in text)
    return kept.encode("utf-8", "ignore").decode().strip()[:MAX_REASON]


def person(actor: Actor) -> dict[str, Any]:
    """Return what the audit trail keeps of an actor."""
    return {"kind": actor.kind.value, "id": actor.id, "name": actor.name, "human": actor.human}


def asked_for(request: Request) -> dict[str, Any]:
    """Return what the audit trail keeps of a request that was not even looked at."""
    return {
        "actor": person(request.actor),
        "origin": request.origin.front,
        "team": request.origin.team,
        "channel": request.origin.channel,
        "operation": request.operation,
        "arguments": {name: str(value)[:MAX_REASON] for name, value in request.arguments.items() if name != "ssh_keys"},
        "reason": worded(request.reason),
    }


def requested(request: Request, seen: Preview, ruling: Ruling) -> dict[str, Any]:
    """Return what the audit trail keeps of a request and its decision."""
    return {
        "actor": person(request.actor),
        "origin": request.origin.front,
        "team": request.origin.team,
        "channel": request.origin.channel,
        "operation": request.operation,
        "arguments": dict(seen.arguments),
        "target": {"id": seen.target.id, "hostname": seen.target.hostname, "state": seen.target.state},
        "cost": seen.cost,
        "reason": worded(request.reason),
        "decision": ruling.decision.value,
        "rules": list(ruling.rules),
        "policy": ruling.policy,
        "digest": seen.digest(ruling.policy),
    }
