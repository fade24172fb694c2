"""From a request to a decided, stored change: an operation, checked arguments, facts."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import ValidationError

from vpsops.core.changes.audit_entries import worded
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.preview import Preview
from vpsops.core.changes.requests import Request
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.json_types import Json
from vpsops.core.common.timings import Timing
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.arguments import Arguments
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
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:60] or "arguments"
        known = ", ".join(operation.arguments.model_fields) or "none"
        raise InvalidInputError(f"{where}: {first['msg']}.", hint=f"{operation.name} takes: {known}.") from None


def facts(
    operation: Operation, asked: Request | Change, target: Target | None, monthly: float | None, now: datetime
) -> PolicyContext:
    """Collect the facts that policy rules may use, at the request and at every later check."""
    return PolicyContext(
        operation=operation.name,
        risk=operation.risk,
        actor=asked.actor,
        origin=asked.origin.front,
        now=now,
        target=target,
        region=target.region if target else "",
        cost=monthly,
    )


def new_change(  # noqa: PLR0913 - everything a change is made of
    operation: Operation, request: Request, seen: Preview, ruling: Ruling, now: datetime, timing: Timing
) -> Change:
    """Make the change that a decided request becomes."""
    held = ruling.decision in {Decision.CONFIRM, Decision.APPROVE}
    return Change(
        id=f"chg_{secrets.token_hex(6)}",
        version=1,
        state=State.HELD if held else State.APPROVED,
        operation=operation.name,
        arguments=seen.arguments,
        target=seen.target,
        actor=request.actor,
        origin=request.origin,
        reason=worded(request.reason),
        ruling=replace(ruling, monthly=seen.monthly),
        digest=seen.digest(ruling.policy),
        created_at=now,
        expires_at=now + timedelta(seconds=hold_seconds(ruling, timing)) if held else None,
        updated_at=now,
        cost=seen.cost,
        facts=seen.facts,
        effect=f"{operation.effect} {seen.warning}".strip(),
    )


def with_warning(ruling: Ruling, seen: Preview) -> Ruling:
    """Return a ruling under which a request with a warning needs at least the requester's own human's confirmation."""
    return replace(ruling, decision=Decision.CONFIRM) if seen.warning and ruling.decision is Decision.ALLOW else ruling


def hold_seconds(ruling: Ruling, timing: Timing) -> float:
    """Return the seconds a hold waits for people."""
    if ruling.decision is Decision.CONFIRM:
        return timing.confirm_seconds
    return ruling.expires or timing.approve_seconds
