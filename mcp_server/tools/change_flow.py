"""A change from a model's call to its end: through the gate, past the client's human, and followed for a while.

Nothing here causes an effect: the gate does, after `confirm` with the digest that was shown.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

import anyio
import mcp.types as t

from vpsops.core.app import Core
from vpsops.core.changes.approvals import SLACK_DIALOG, awaits_slack, confirms_in
from vpsops.core.changes.audit_entries import clean_actor
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Done, Held, Outcome, Refused, Request
from vpsops.core.changes.scope import NOTHING, Scope
from vpsops.core.common import timings as timing
from vpsops.core.common.errors import StaleChangeError, VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import one_line
from vpsops.core.identity.actors import Actor, Origin
from vpsops.core.operations import Operation
from vpsops.core.plans.model import is_running_plan
from vpsops.core.plans.requests import PlanRequest
from vpsops.mcp_server.auth.access import scope_of
from vpsops.mcp_server.auth.principal import Caller, agent_from
from vpsops.mcp_server.presenters import results
from vpsops.mcp_server.presenters.changes import note_text, status_text, subject
from vpsops.mcp_server.presenters.results import ToolResult
from vpsops.mcp_server.presenters.tasks import awaits_own_human, task_from
from vpsops.mcp_server.protocol.elicitation import (
    FormAnswer,
    confirmation_form,
    is_yes,
    read_state,
    refusal_reason,
    state_from,
)
from vpsops.mcp_server.protocol.sdk_compat import Context, ToolCall, question_result
from vpsops.mcp_server.protocol.shutdown import GOES_ON, QUESTION_ENDS, Shutdown
from vpsops.mcp_server.protocol.tasks import takes_tasks, task_result
from vpsops.mcp_server.protocol.text import join_nonempty, quote
from vpsops.mcp_server.tools.definitions import MAX_REASON
from vpsops.mcp_server.tools.walks import ServerListCache

if TYPE_CHECKING:
    from vpsops.core.runbooks.requests import RunbookRequest

PATIENCE: Final = timing.PATIENCE_SECONDS
STEP: Final = timing.PROGRESS_SECONDS
LONGEST_QUESTION: Final = timing.QUESTION_SECONDS
LAST_LOOK: Final = timing.LAST_LOOK_SECONDS
WITHDRAWAL: Final = timing.WITHDRAWAL_SECONDS
GONE: Final = "The asker went away."
ORIGIN = Origin(front="mcp")


Announcement = Callable[[int | str | None, str], Awaitable[None]]
"""Takes the id of a request and that of the change which it waits for."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """The context of every call: the core, the caller lookup, and how long a call may take."""

    core: Core
    who: Callable[[Context], Caller]
    walks: ServerListCache
    change_tools: bool = True
    patience: float = PATIENCE
    shutdown: Shutdown = field(default_factory=Shutdown)
    caller: Caller | None = None
    scope: Scope = NOTHING
    announce: Announcement | None = None

    async def announce_change(self, call: ToolCall, change: Change) -> None:
        """Say which change a call waits for, where its transport wants to know."""
        if self.announce is not None:
            await self.announce(call.context.request_id, change.id)

    def actor(self, call: ToolCall) -> Actor:
        """Return the requesting actor."""
        return clean_actor(agent_from(call.client_name, self.caller_of(call)), self.core.redactor)

    def origin(self, call: ToolCall) -> Origin:
        """Return where a request for a change comes from, with the fingerprint of its token."""
        return replace(ORIGIN, credential=self.caller_of(call).credential)

    def caller_of(self, call: ToolCall) -> Caller:
        """Return who calls: the caller that this context is for, or else as the call says."""
        return self.caller or self.who(call.context)

    def for_caller(self, caller: Caller) -> "CallContext":
        """Return the context narrowed to what `caller` may see, without naming tools that it lacks."""
        can_follow = all(caller.reach.allows(tool) for tool in ("vps_change_get", "vps_change_wait"))
        return replace(
            self, caller=caller, scope=scope_of(self.core, caller), change_tools=self.change_tools and can_follow
        )


def request_from(ctx: CallContext, call: ToolCall, operation: Operation) -> Request:
    """Return a call with checked arguments as a request."""
    arguments = dict(call.arguments)
    reason = "" if operation.reads else one_line(str(arguments.pop("reason", "")), MAX_REASON)
    return Request(
        operation=operation.name,
        arguments=arguments,
        actor=ctx.actor(call),
        origin=ctx.origin(call),
        reason=reason,
        can_confirm=call.can_ask,
        named_in=ctx.caller_of(call).named_in,
    )


def confirmation_evidence(actor: Actor) -> str:
    """Return the evidence text of a confirmation that a client reports without proof."""
    return f"confirmed in the client {quote(actor.label)}, not verified"


async def run_change(ctx: CallContext, call: ToolCall, operation: Operation) -> ToolResult:
    """Carry a change as far as possible within one call."""
    if call.state:
        return await answer_question(ctx, call)
    request = request_from(ctx, call, operation)
    return await _outcome(ctx, call, await ctx.core.gate.submit(request, scope=ctx.scope), request)


async def run_plan(ctx: CallContext, call: ToolCall, planned: "PlanRequest | RunbookRequest") -> ToolResult:
    """Carry a plan or a runbook as far as possible within one call."""
    if call.state:
        return await answer_question(ctx, call)
    outcome = await ctx.core.gate.submit_plan(planned, scope=ctx.scope)
    return await _outcome(ctx, call, outcome, planned.request)


def _progress(change: Change) -> str:
    """Return how far a change is, in one line; of a plan, with its servers."""
    line = f"{subject(change)} {status_text(change)}"
    return join_nonempty((line, note_text(change)), ". ") if is_running_plan(change) else line


async def _outcome(ctx: CallContext, call: ToolCall, outcome: Outcome, request: Request) -> ToolResult:
    if isinstance(outcome, Refused):
        first = outcome.change
        again = await _once_more(ctx, call, first) if first is not None and _is_same(request, first) else None
        return again or results.refused_result(outcome, tools=ctx.change_tools)
    if isinstance(outcome, Held) and awaits_own_human(outcome.change):
        return await _ask(ctx, call, outcome.change)
    return await continue_change(ctx, call, _change_of(outcome))


async def _once_more(ctx: CallContext, call: ToolCall, first: Change) -> ToolResult | None:
    """Repeat the first answer, since it was lost or the asker forgot it. Nothing is requested twice."""
    if awaits_own_human(first) and call.can_ask:
        return await _ask(ctx, call, first)
    waits = takes_tasks(call.context) or awaits_slack(first)
    return await continue_change(ctx, call, first) if waits else None


def _change_of(outcome: Done | Held) -> Change:
    if outcome.change is None:
        raise RuntimeError("the gate answered a change without one")
    return outcome.change


def _is_same(request: Request, first: Change) -> bool:
    """Return whether an open change repeats this asker's request; the gate has checked that the server is the same."""
    same_asker = (first.actor.id, first.actor.human) == (request.actor.id, request.actor.human)
    return (
        same_asker and first.operation == request.operation and _details(request.arguments) == _details(first.arguments)
    )


def _details(arguments: Mapping[str, Json]) -> dict[str, Json]:
    options = {key: value for key, value in arguments.items() if key != "server" and value not in (None, [], (), "")}
    return {key: value.strip().lower() if isinstance(value, str) else value for key, value in options.items()}


async def _ask(ctx: CallContext, call: ToolCall, change: Change) -> ToolResult:
    if call.new_era:
        return question_result(confirmation_form(change), state_from(change))
    try:
        with ctx.shutdown.wait() as asking:
            answer = await _push(ctx, call, change)
    except anyio.get_cancelled_exc_class():
        with anyio.move_on_after(WITHDRAWAL, shield=True):
            await _withdraw(ctx, call, change)
        raise
    if asking.cancelled_caught:  # the hold stays: the next process asks again
        return results.change_tool_result(change, tools=ctx.change_tools, before=QUESTION_ENDS)
    return await _decide(ctx, call, (change.id, change.digest), answer)


async def _close_dialog(ctx: CallContext, change: Change, dialog: anyio.CancelScope) -> None:
    """Withdraw the client's question once the same question is answered in Slack: the first answer counts."""
    while change.state is State.HELD:
        change = await ctx.core.changes.wait(change.id, seconds=STEP, until=_is_decided, scope=ctx.scope)
    dialog.cancel()


def _is_decided(change: Change) -> bool:
    return change.state is not State.HELD


async def _push(ctx: CallContext, call: ToolCall, change: Change) -> FormAnswer | None:
    """Ask and wait, with periodic progress: hosts do not give up on a call that reports it."""
    answer: FormAnswer | None = None
    await ctx.announce_change(call, change)
    async with anyio.create_task_group() as group:
        group.start_soon(_keep_telling, ctx, call, f"{subject(change)} {status_text(change)}")
        if awaits_slack(change):
            group.start_soon(_close_dialog, ctx, change, group.cancel_scope)
        answer = await call.push(confirmation_form(change), seconds=_life(ctx, change))
        group.cancel_scope.cancel()
    return answer


async def _keep_telling(ctx: CallContext, call: ToolCall, text: str) -> None:
    while True:
        await call.progress(ctx.core.clock.monotonic(), text)
        await ctx.core.clock.sleep(STEP)


async def _withdraw(ctx: CallContext, call: ToolCall, change: Change) -> None:
    """Cancel the pending change to release the server's lock, unless its human may be about to answer in Slack."""
    gate, actor = ctx.core.gate, ctx.actor(call)
    with suppress(VpsopsError):
        if not awaits_slack(await gate.close_dialog(change.id, actor, reason=GONE, scope=ctx.scope)):
            await gate.cancel(change.id, actor, reason=GONE, scope=ctx.scope)


def _life(ctx: CallContext, change: Change) -> float:
    if change.expires_at is None:
        return LONGEST_QUESTION
    left: float = (change.expires_at - ctx.core.clock.now()).total_seconds()
    return min(max(left, 1.0), LONGEST_QUESTION)


async def answer_question(ctx: CallContext, call: ToolCall) -> ToolResult:
    """Go on with the change that a call asked its human about before."""
    state = read_state(call.state)
    if call.answer is not None:
        return await _decide(ctx, call, state, call.answer)
    too_fast = await ctx.core.admission.admit(Request(call.tool, call.arguments, ctx.actor(call), ORIGIN))
    if too_fast is not None:
        return results.refused_result(too_fast, tools=ctx.change_tools)
    change = await ctx.core.changes.get(state[0], scope=ctx.scope)
    if change.state is State.HELD:
        return await _ask(ctx, call, change)
    return await continue_change(ctx, call, change)


async def _decide(ctx: CallContext, call: ToolCall, state: tuple[str, str], answer: FormAnswer | None) -> ToolResult:
    change_id, digest = state
    gate, actor = ctx.core.gate, ctx.actor(call)
    if answer is None or answer.action not in {"accept", "decline"}:
        change = await gate.close_dialog(change_id, actor, reason=refusal_reason(answer), scope=ctx.scope)
        if awaits_slack(change) or (answer is None and confirms_in(change, SLACK_DIALOG)):  # no answer: Slack has it
            return await continue_change(ctx, call, change)
    try:
        if answer is not None and is_yes(answer):
            return await continue_change(
                ctx,
                call,
                await gate.confirm(change_id, actor, digest, evidence=confirmation_evidence(actor), scope=ctx.scope),
            )
        why = refusal_reason(answer)
        return results.not_confirmed_result(
            await gate.cancel(change_id, actor, reason=why, scope=ctx.scope), why, tools=ctx.change_tools
        )
    except StaleChangeError as stale:
        change = await ctx.core.changes.get(change_id, scope=ctx.scope)
        if takes_tasks(call.context) and not change.state.final:
            return await continue_change(ctx, call, change)
        moved_on = await _watch(ctx, call, change, ctx.patience)
        before = f"This answer changed nothing: {stale}"
        return results.change_tool_result(
            moved_on, tools=ctx.change_tools, before=join_nonempty((before, _ended(ctx, moved_on)), "\n")
        )


async def continue_change(ctx: CallContext, call: ToolCall, change: Change) -> ToolResult:
    """Hand an unfinished change to a client that takes tasks; let the others wait for it in their call."""
    if change.state.final or not takes_tasks(call.context):
        return await follow_change(ctx, call, change)
    timing, now = ctx.core.timing, ctx.core.clock.now()
    return task_result(task_from(change, timing, now, can_ask=call.can_ask, tools=ctx.change_tools))


async def follow_change(
    ctx: CallContext, call: ToolCall, change: Change, patience: float | None = None
) -> t.CallToolResult:
    """Wait until a change is quiescent or the call's time is over, and return its state."""
    limit = ctx.patience if patience is None else patience
    where = await _watch(ctx, call, change, limit)
    return results.change_tool_result(where, tools=ctx.change_tools, before=_ended(ctx, where))


async def _watch(ctx: CallContext, call: ToolCall, change: Change, patience: float) -> Change:
    clock = ctx.core.clock
    end = clock.monotonic() + patience
    await ctx.announce_change(call, change)
    while (
        not is_quiescent(change)
        and (left := end - clock.monotonic()) > 0
        and not waits_beyond(change, clock.now(), left)
    ):
        with ctx.shutdown.wait() as waiting:
            await call.progress(clock.monotonic(), _progress(change))
            change = await ctx.core.changes.wait(
                change.id, seconds=min(left, STEP), until=is_quiescent, scope=ctx.scope
            )
        if waiting.cancelled_caught:
            return await _last_seen(ctx, change)
    return change


async def _last_seen(ctx: CallContext, change: Change) -> Change:
    """Return a change's current state, or its last known one when it cannot be read any more."""
    with suppress(VpsopsError), anyio.move_on_after(LAST_LOOK):
        return await ctx.core.changes.get(change.id, scope=ctx.scope)
    return change


def _ended(ctx: CallContext, change: Change) -> str:
    """Return the sentence for a call that ends before its change because the process stops, or ""."""
    return GOES_ON if ctx.shutdown.begun and not is_quiescent(change) else ""


def waits_beyond(change: Change, now: datetime, seconds: float) -> bool:
    """Return whether the provider wants a change to wait for longer than a call does."""
    return change.not_before is not None and (change.not_before - now).total_seconds() > seconds


def is_quiescent(change: Change) -> bool:
    """Return whether to stop waiting: the change ended, is overdue, waits for its time, or needs a person."""
    return change.state.final or change.overdue or change.state in {State.SCHEDULED, State.NEEDS_PERSON}
