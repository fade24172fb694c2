"""What the audit trail keeps of who asked for what, and how people's words are kept."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from vpsops.core.changes.preview import Preview
from vpsops.core.changes.requests import Request
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.core.common.redaction import Redactor
from vpsops.core.common.text import bound, normalise
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.policy.decision import Decision, Ruling

MAX_REASON: Final = 500
MAX_ARGUMENTS: Final = 12
MAX_NAME: Final = 60
MAX_FACT: Final = 120
ANSWERED: Final = ("ok", "id", "hostname", "status", "power_state", "plan", "region")
"""What of a provider's answer the trail keeps: it is kept for ever, and an answer may hold a password one day."""


def worded(text: str) -> str:
    """Return a person's words as they are kept: without control characters and half characters, and not too long."""
    return bound(normalise(text).strip(), MAX_REASON)


def clean_actor(actor: Actor, redactor: Redactor) -> Actor:
    """Return an actor with names prepared to be stored: an agent chooses its own, and Slack's are typed by people.

    What the human is called by decides who may vote, and is left as it was configured or proven.
    """
    return replace(actor, id=redactor.name(actor.id), name=redactor.name(actor.name))


def clean_request(request: Request, redactor: Redactor) -> Request:
    """Return a request with words, arguments and names prepared to be stored, shown and hashed."""
    return replace(
        request,
        operation=redactor.name(request.operation),
        arguments=redactor.json(request.arguments),
        actor=clean_actor(request.actor, redactor),
        reason=redactor.text(request.reason),
        later=request.later and replace(request.later, words=redactor.name(request.later.words)),
    )


def person(actor: Actor) -> dict[str, Any]:
    """Return what the audit trail keeps of an actor; id and name of an agent are marked as its own claims."""
    account = {"account": actor.account} if actor.account else {}
    claimed = {"claimed": True} if actor.kind is ActorKind.AGENT else {}
    return {"kind": actor.kind.value, "id": actor.id, "name": actor.name, "human": actor.human, **claimed, **account}


def recorded(answer: Mapping[str, Json]) -> dict[str, Json]:
    """Return the known, harmless fields of a provider's answer, in bounds."""
    facts = {name: answer[name] for name in ANSWERED if isinstance(answer.get(name), str | bool)}
    return {name: fact[:MAX_FACT] if isinstance(fact, str) else fact for name, fact in facts.items()}


def asked_for(request: Request) -> dict[str, Any]:
    """Return what the audit trail keeps of a request that was refused unread."""
    return {
        **_asker(request),
        "arguments": _bounded_arguments(request.arguments),
        "reason": worded(request.reason),
    }


def _asker(request: Request) -> dict[str, Any]:
    """Return who asked for which operation, and where."""
    return {
        "actor": person(request.actor),
        "origin": request.origin.front,
        "team": request.origin.team,
        "channel": request.origin.channel,
        "operation": request.operation,
    }


def _bounded_arguments(arguments: Mapping[str, Json]) -> dict[str, str]:
    """Return what was given, none of it checked yet, in bounds: the trail is kept for ever."""
    kept = [(name, value) for name, value in arguments.items() if name != "ssh_keys"][:MAX_ARGUMENTS]
    return {worded(name[:MAX_NAME]): worded(str(value)[:MAX_REASON]) for name, value in kept}


def not_allowed(change_id: str, actor: Actor, team: str, error: VpsopsError) -> dict[str, Any]:
    """Return what the audit trail keeps of someone who decided about a change, and may not."""
    about = {"by": person(actor), "about": change_id[:MAX_NAME], "why": worded(error.message), "error": error.error_id}
    return {**about, "team": team} if team else about


def needed(ruling: Ruling) -> dict[str, Any]:
    """Return the votes that a ruling asks for and who may cast them, by rule; or where a confirmation counts."""
    if ruling.end:
        return {"end": ruling.end}
    if ruling.grant is not None:
        return {"grant": ruling.grant.id, "source": ruling.grant.source, "use": ruling.grant.number}
    if ruling.decision is Decision.CONFIRM and ruling.confirm_in:
        return {"confirm_in": list(ruling.confirm_in)}
    if ruling.decision is not Decision.APPROVE:
        return {}
    overrides = {"override": ruling.override_names} if ruling.overrides else {}
    return {"votes": ruling.votes, "approvers": ruling.approver_names, **overrides}


def requested(request: Request, seen: Preview, ruling: Ruling) -> dict[str, Any]:
    """Return what the audit trail keeps of a request and its decision."""
    return {
        **_asker(request),
        "arguments": dict(seen.arguments),
        "target": {"id": seen.target.id, "hostname": seen.target.hostname, "state": seen.target.state},
        "cost": seen.cost,
        **({"facts": [[fact.label, worded(fact.value)] for fact in seen.facts]} if seen.facts else {}),
        "reason": worded(request.reason),
        "decision": ruling.decision.value,
        "rules": list(ruling.rules),
        "policy": ruling.policy,
        **needed(ruling),
        **({"schedule": seen.schedule.stored} if seen.schedule else {}),
        "digest": seen.digest(ruling.policy),
    }
