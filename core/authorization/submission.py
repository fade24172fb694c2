"""What a request for a change is decided by: an operation, checked arguments, facts."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from vpsops.core.changes.approvals import CLIENT, SLACK_DIALOG
from vpsops.core.changes.preview import Preview
from vpsops.core.common.errors import ArgumentError, InvalidInputError
from vpsops.core.common.json_types import Json
from vpsops.core.common.timings import Timing
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.arguments import Arguments, arguments_of, problem_text
from vpsops.core.operations.registry import Risk
from vpsops.core.operations.target import Target
from vpsops.core.policy import PolicyContext
from vpsops.core.policy.decision import Decision, Ruling


def operation_named(name: str) -> Operation:
    """Return an operation of the registry; raises `InvalidInputError`."""
    operation = OPERATIONS.get(name)
    if operation is None:
        raise InvalidInputError(f"There is no operation {name[:40]!r}.", hint=f"There are {', '.join(OPERATIONS)}.")
    return operation


def checked(operation: Operation, arguments: Mapping[str, Json]) -> Arguments:
    """Validate arguments; raises `InvalidInputError` naming the first that is wrong."""
    try:
        return operation.arguments.model_validate(dict(arguments))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:60] or "arguments"
        label = next((item.spec.label for item in arguments_of(operation.arguments) if item.name == where), where)
        known = " ".join(item.placeholder for item in arguments_of(operation.arguments)) or "nothing"
        raise ArgumentError(label, where, problem_text(first), hint=f"{operation.word} takes: {known}.") from None


def facts(  # noqa: PLR0913 - everything a rule may ask about
    operation: Operation,
    actor: Actor,
    origin: Origin,
    target: Target | None,
    monthly: float | None,
    now: datetime,
) -> PolicyContext:
    """Collect the facts that policy rules may use, at the request and at every later check."""
    return PolicyContext(
        operation=operation.name,
        risk=operation.risk,
        actor=actor,
        origin=origin.front,
        now=now,
        target=target,
        region=target.region if target else "",
        cost=monthly,
    )


def with_warning(ruling: Ruling, seen: Preview) -> Ruling:
    """Return a ruling under which a request with a warning needs at least the requester's own human's confirmation."""
    return replace(ruling, decision=Decision.CONFIRM) if seen.warning and ruling.decision is Decision.ALLOW else ruling


def with_places(ruling: Ruling, operation: Operation, actor: Actor, *, slack: bool) -> Ruling:
    """Return a ruling with the places that it trusts the human of an agent to confirm in.

    By default both, but for what disrupts: where there is Slack, that is confirmed in Slack alone. (What destroys is
    never confirmed by the human of an agent; the policy asks for an approval.)
    """
    if ruling.decision is not Decision.CONFIRM or actor.kind is not ActorKind.AGENT:
        return replace(ruling, confirm_in=())  # people confirm where they asked
    careful = slack and operation.risk is not Risk.CHANGE
    return replace(ruling, confirm_in=ruling.confirm_in or ((SLACK_DIALOG,) if careful else (CLIENT, SLACK_DIALOG)))


def reachable_places(ruling: Ruling, actor: Actor, *, can_confirm: bool, slack: bool) -> tuple[str, ...]:
    """Return the trusted places in which the human of an agent can be asked now."""
    there = {CLIENT: can_confirm, SLACK_DIALOG: slack and bool(actor.account)}
    return tuple(place for place in ruling.confirm_in if there[place])


def hold_seconds(ruling: Ruling, timing: Timing) -> float:
    """Return the seconds a hold waits for people."""
    if ruling.decision is Decision.CONFIRM:
        return timing.confirm_seconds
    return ruling.expires or timing.approve_seconds
