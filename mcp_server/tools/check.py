"""The tool that evaluates a change without asking people or storing anything."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import mcp.types as t
from pydantic import BaseModel, Field, JsonValue

from vpsops.core.changes.approvals import approver_words
from vpsops.core.changes.model import Change
from vpsops.core.changes.requests import DryRun, Refused, Request
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.common.json_types import Json
from vpsops.core.identity.actors import Actor
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.target import Target, is_plan
from vpsops.core.operations.traits import RUNBOOK
from vpsops.core.policy.decision import Decision
from vpsops.mcp_server.auth.access import exceeded_limit
from vpsops.mcp_server.presenters import results
from vpsops.mcp_server.presenters.changes import ChangedServer, approval_text, changed_server
from vpsops.mcp_server.presenters.schemas import Schema, bounded_properties, required_names
from vpsops.mcp_server.protocol.elicitation import order_lines
from vpsops.mcp_server.protocol.sdk_compat import ToolCall
from vpsops.mcp_server.protocol.text import join_nonempty, sanitize
from vpsops.mcp_server.tools.change_flow import ORIGIN, CallContext
from vpsops.mcp_server.tools.definitions import PREFIX, signature_for
from vpsops.mcp_server.tools.plan_tool import NAME as PLAN
from vpsops.mcp_server.tools.plan_tool import (
    PlanArguments,
    RunbookArguments,
    plan_request,
    plan_signature,
    runbook_request,
)
from vpsops.mcp_server.tools.signature import Signature

if TYPE_CHECKING:
    from vpsops.core.plans.requests import PlanRequest
    from vpsops.core.runbooks.requests import RunbookRequest

CHECK: Final = "Preview a change."


class Outlook(StrEnum):
    """What would become of a change."""

    RUN = "run"
    CONFIRM = "your human is asked"
    APPROVE = "approvers are asked"
    REFUSED = "refused"


class Checkable(Arguments):
    """What a change may be about, in the arguments of its own tool; the few others are `unlisted_arguments`."""

    server: Annotated[str, Field(max_length=300)] = ""
    hostname: str = ""
    name: str = ""
    plan: str = ""
    region: str = ""
    os_template: str = ""
    snapshot: str = ""
    backup: str = ""
    labels: tuple[str, ...] = ()
    port: int = 0
    source: str = ""
    rule: str = ""
    frequency: str = ""
    time_of_day: str = ""
    retention_days: int = 0


def is_checkable(operation: Operation) -> bool:
    """Return whether a change's required arguments are among those that the tool takes."""
    return not operation.reads and required_names(operation.arguments) <= Checkable.model_fields.keys()


RUN: Final = "runbook_run"
"""What the tool takes besides operations, with the arguments of the tool that runs a runbook."""
OF_SERVERS: Final = frozenset({"servers", "state", "label"})
"""Arguments of a plan that no single change has: with one of them, what the plan would do is asked."""
CHANGES: Final[list[JsonValue]] = [
    *(name for name, operation in OPERATIONS.items() if is_checkable(operation)),
    RUN,
]
"""The operations that the tool takes; a refusal lists them, since the names of their tools are in the list of tools."""


def unlisted_arguments() -> Mapping[str, Schema]:
    """Return the arguments of changes that the tool takes and does not list, such as SSH keys or a lifetime.

    They are on the question and in the digest, and may be refused, so the tool takes them as the change's own does;
    each listed one would cost its tokens. The schemas of all changes are made for it.
    """
    taken: list[type[Arguments]] = [entry.arguments for entry in OPERATIONS.values() if not entry.reads]
    taken += [RunbookArguments, PlanArguments]
    return {
        name: schema
        for arguments in taken
        for name, schema in bounded_properties(arguments).items()
        if name not in CheckArguments.model_fields
    }


class CheckArguments(Checkable):
    """A change, and what it is about."""

    operation: Annotated[str, Field(description=f"tool without {PREFIX}")]


class CheckResult(BaseModel):
    """The predicted outcome of a change, if it were requested now."""

    outlook: Outlook
    operation: str
    server: ChangedServer
    effect: str | None = None
    cost: str | None = None
    facts: list[str] = Field([], description="what changes, and what is at stake")
    agree: str | None = Field(None, description="who must agree")
    refused: str | None = Field(None, description="why, and what to do")
    rules: list[str] = Field([], description="of the policy that match")
    steps: list[str] = Field([], description="of a runbook, each with its decision and rules")


async def evaluate_change(ctx: CallContext, call: ToolCall) -> t.CallToolResult:
    """Answer with a change's predicted outcome. Raises `InvalidInputError` in the words of the change's own tool."""
    values = dict(call.arguments)
    word = str(values.pop("operation"))
    if word == RUN:
        return _answer(await _foreseen_runbook(ctx, call, values))
    if values.keys() & OF_SERVERS:
        return _answer(await _foreseen_plan(ctx, call))
    operation = OPERATIONS[word]
    signature = signature_for(operation)
    arguments = signature.read(values)  # its choices have no case, as in a call of the tool itself
    signature.check(arguments)
    actor = ctx.actor(call)
    origin = ctx.origin(call)
    request = Request(
        operation.name, arguments, actor, origin, can_confirm=call.can_ask, named_in=ctx.who(call.context).named_in
    )
    outcome = await ctx.core.gate.dry_run(request, scope=ctx.scope)
    if outcome.change.target.id:
        _check_readable(ctx, actor, outcome.change.target)
    exceeded = exceeded_limit(ctx.who(call.context), f"{PREFIX}{operation.name}", alters=True)
    if exceeded is not None:
        outcome = DryRun(outcome.change, Refused(exceeded.text, exceeded.hint))
    return _answer(outcome)


def _check_readable(ctx: CallContext, actor: Actor, server: Target) -> None:
    if not ctx.core.servers.may_read(Request("get", {}, actor, ORIGIN), server):
        raise NotAllowedError("The policy does not let you read this server.", hint="Tell your human.")


def _answer(outcome: DryRun) -> t.CallToolResult:
    return results.text_result(check_text(outcome), check_result(outcome).model_dump(mode="json", exclude_none=True))


async def _foreseen_runbook(ctx: CallContext, call: ToolCall, values: Mapping[str, Json]) -> DryRun:
    """Return the predicted outcome of a runbook; the caller needs the tool of each operation in it, as to run it."""
    signature = Signature(f"{PREFIX}{RUN}", bounded_properties(RunbookArguments), required_names(RunbookArguments))
    arguments = signature.read(dict(values))
    signature.check(arguments)
    planned = await runbook_request(ctx, call, RunbookArguments.model_validate(arguments))
    return await _foreseen_parts(ctx, call, planned, (RUN, *planned.runbook.operations))


async def _foreseen_plan(ctx: CallContext, call: ToolCall) -> DryRun:
    """Return the predicted outcome of a plan, in the arguments of its own tool."""
    signature = plan_signature()
    arguments = signature.read(dict(call.arguments))
    signature.check(arguments)
    reason = str(arguments.pop("reason", ""))
    planned = plan_request(ctx, call, PlanArguments.model_validate(arguments), reason)
    return await _foreseen_parts(ctx, call, planned, (PLAN.removeprefix(PREFIX), planned.request.operation))


async def _foreseen_parts(
    ctx: CallContext, call: ToolCall, planned: "PlanRequest | RunbookRequest", tools: Sequence[str]
) -> DryRun:
    """Return what would become of many changes that are asked for at once; the caller needs each tool."""
    run = await ctx.core.gate.dry_run_plan(planned, scope=ctx.scope)
    for server in run.servers:
        _check_readable(ctx, planned.request.actor, server)
    limits = (exceeded_limit(ctx.who(call.context), f"{PREFIX}{tool}", alters=True) for tool in tools)
    exceeded = next(filter(None, limits), None)
    return run if exceeded is None else DryRun(run.change, Refused(exceeded.text, exceeded.hint))


def check_result(run: DryRun) -> CheckResult:
    """Return the predicted outcome of a change as structured content."""
    change, refusal = run.change, run.refusal
    return CheckResult(
        outlook=Outlook.REFUSED if refusal else OUTLOOKS[change.ruling.decision],
        operation=change.operation,
        server=changed_server(change.target),
        effect=sanitize(change.effect, 300) or None,
        cost=sanitize(change.cost) or None,
        facts=[*(sanitize(fact.line, 300) for fact in change.facts), *filter(None, order_lines(change))],
        agree=None if refusal else approval_text(change),
        refused=join_nonempty((refusal.reason, refusal.hint), " ") if refusal else None,
        rules=[sanitize(rule) for rule in change.ruling.rules],
        steps=[sanitize(part.words, 300) for part in run.parts],
    )


def override_line(change: Change) -> str:
    """Return who may run a change of their own without approval; empty where the rules let no one."""
    lists = [approver_words(named, lambda name: sanitize(name, 40)) for named in change.ruling.overrides]
    if not lists:
        return ""
    who = " and also among ".join(lists)
    return f"Without approval: a person may run such a change of their own if among {who}; an assistant may not."


OUTLOOKS: Final = {
    Decision.ALLOW: Outlook.RUN,
    Decision.CONFIRM: Outlook.CONFIRM,
    Decision.APPROVE: Outlook.APPROVE,
    Decision.DENY: Outlook.REFUSED,
}


def check_text(run: DryRun) -> str:
    """Return the outlook in a few lines."""
    outcome = check_result(run)
    what = f"{outcome.operation} {outcome.server.hostname}"
    if outcome.refused:
        return join_nonempty((f"{what} would be refused. {outcome.refused}", *outcome.steps), "\n")
    lines = (
        f"{what} would be accepted; no one was asked, and nothing is stored.",
        f"Who must agree: {outcome.agree}.",
        override_line(run.change),
        f"Effect: {outcome.effect}" if outcome.effect else "",
        f"Cost: {outcome.cost}." if outcome.cost else "",
        *outcome.facts,
        *outcome.steps,
        f"Then call {tool_of(run.change)} to ask for it.",
    )
    return join_nonempty(lines, "\n")


def tool_of(change: Change) -> str:
    """Return the tool that asks for a change, a plan or a runbook."""
    if change.operation == RUNBOOK.name:
        return f"{PREFIX}{RUN}"
    return PLAN if is_plan(change.operation) else f"{PREFIX}{change.operation}"
