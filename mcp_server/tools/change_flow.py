"""A change from a model's call to its end: through the gate, past the client's human, and followed for a while.

Nothing here causes an effect: the gate does, after `confirm` with the digest that was shown.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import anyio
import mcp.types as t

from vpsops.core.app import Core
from vpsops.core.changes.audit_entries import clean_actor
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Done, Held, Outcome, Refused, Request
from vpsops.core.changes.scope import NOTHING, Scope
from vpsops.core.common import timings as timing
from vpsops.core.common.errors import StaleChangeError, VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.core.identity.actors import Actor, Origin
from vpsops.core.operations import Operation
from vpsops.core.policy.decision import Decision
from vpsops.mcp_server.auth.access import scope_of
from vpsops.mcp_server.auth.principal import Caller, agent_of
from vpsops.mcp_server.presenters import results
from vpsops.mcp_server.presenters.changes import headed, verdict
from vpsops.mcp_server.presenters.results import ToolResult
from vpsops.mcp_server.presenters.tasks import task_of, to_confirm
from vpsops.mcp_server.protocol.elicitation import Answer, is_yes, question_of, read_state, refusal_of, state_of
from vpsops.mcp_server.protocol.sdk_compat import Call, Context, question_result
from vpsops.mcp_server.protocol.shutdown import GOES_ON, QUESTION_ENDS, Shutdown
from vpsops.mcp_server.protocol.tasks import created, takes_tasks
from vpsops.mcp_server.protocol.text import clean, joined, quote
from vpsops.mcp_server.tools.definitions import MAX_REASON
from vpsops.mcp_server.tools.walks import Walks

PATIENCE: Final = timing.PATIENCE_SECONDS
STEP: Final = timing.PROGRESS_SECONDS
LONGEST_QUESTION: Final = timing.QUESTION_SECONDS
LAST_LOOK: Final = timing.LAST_LOOK_SECONDS
WITHDRAWAL: Final = timing.WITHDRAWAL_SECONDS
ORIGIN = Origin(front="mcp")


@dataclass(frozen=True, slots=True)
class Desk:
    """What every call needs: the core, who calls, and how long a call may take."""

    core: Core
    who: Callable[[Context], Caller]
    walks: Walks
    change_tools: bool = True
    patience: float = PATIENCE
    shutdown: Shutdown = field(default_factory=Shutdown)
    scope: Scope = NOTHING

    def actor(self, call: Call) -> Actor:
        """Return who asks."""
        return clean_actor(agent_of(call.client_name, self.who(call.context)), self.core.redactor)

    def for_caller(self, caller: Caller) -> "Desk":
        """Return the desk for a caller: what is out of its sight is not there, and no tool is named that it lacks."""
        told = all(caller.reach.allows(tool) for tool in ("vps_change_get", "vps_change_wait"))
        return replace(self, scope=scope_of(self.core, caller), change_tools=self.change_tools and told)


def request_of(desk: Desk, call: Call, operation: Operation) -> Request:
    """Return a call, whose arguments fit its tool's signature, as a request."""
    arguments = call.arguments
    reason = "" if operation.reads else clean(arguments.pop("reason", ""), MAX_REASON)
    return Request(
        operation=operation.name,
        arguments=arguments,
        actor=desk.actor(call),
        origin=ORIGIN,
        reason=reason,
        can_confirm=call.can_ask,
        named_in=desk.who(call.context).named_in,
    )


def confirmed_by(actor: Actor) -> str:
    """Say how much is known of a yes that a client brings: it says that its human gave it."""
    return f"confirmed in the client {quote(actor.shown)}, not verified"


async def run_change(desk: Desk, call: Call, operation: Operation) -> ToolResult:
    """Carry a change as far as it goes within one call."""
    if call.state:
        return await _answered(desk, call)
    request = request_of(desk, call, operation)
    return await _outcome(desk, call, await desk.core.gate.submit(request, scope=desk.scope), request)


async def _outcome(desk: Desk, call: Call, outcome: Outcome, request: Request) -> ToolResult:
    if isinstance(outcome, Refused):
        first = outcome.change
        again = await _once_more(desk, call, first) if first is not None and _is_same(request, first) else None
        return again or results.refused(outcome, tools=desk.change_tools)
    if isinstance(outcome, Held) and outcome.needs is Decision.CONFIRM:
        return await _ask(desk, call, outcome.change)
    return await carry_on(desk, call, _change_of(outcome))


async def _once_more(desk: Desk, call: Call, first: Change) -> ToolResult | None:
    """Answer as the first time: that answer was lost, or the asker forgot it. Nothing is asked for twice."""
    if to_confirm(first) and call.can_ask:
        return await _ask(desk, call, first)
    return await carry_on(desk, call, first) if takes_tasks(call.context) else None


def _change_of(outcome: Done | Held) -> Change:
    if outcome.change is None:
        raise RuntimeError("the gate answered a change without one")
    return outcome.change


def _is_same(request: Request, first: Change) -> bool:
    """Say whether an open change is what this asker asks for again: the gate saw that it is the same server."""
    same_asker = (first.actor.id, first.actor.human) == (request.actor.id, request.actor.human)
    return (
        same_asker and first.operation == request.operation and _details(request.arguments) == _details(first.arguments)
    )


def _details(arguments: Mapping[str, Json]) -> dict[str, Json]:
    given = {key: value for key, value in arguments.items() if key != "server" and value not in (None, [], (), "")}
    return {key: value.strip().lower() if isinstance(value, str) else value for key, value in given.items()}


async def _ask(desk: Desk, call: Call, change: Change) -> ToolResult:
    if call.new_era:
        return question_result(question_of(change), state_of(change))
    try:
        with desk.shutdown.wait() as asking:
            answer = await _push(desk, call, change)
    except anyio.get_cancelled_exc_class():
        with anyio.move_on_after(WITHDRAWAL, shield=True):
            await _withdraw(desk, call, change)
        raise
    if asking.cancelled_caught:  # the hold stays: whoever asks for the same again is asked, by the next process
        return results.change(change, tools=desk.change_tools, before=QUESTION_ENDS)
    return await _decide(desk, call, (change.id, change.digest), answer)


async def _push(desk: Desk, call: Call, change: Change) -> Answer | None:
    """Ask and wait, with a word of progress now and then: hosts do not give up on a call that speaks."""
    async with anyio.create_task_group() as group:
        group.start_soon(_keep_telling, desk, call, f"{headed(change)} {verdict(change)}")
        answer = await call.push(question_of(change), seconds=_life(desk, change))
        group.cancel_scope.cancel()
    return answer


async def _keep_telling(desk: Desk, call: Call, text: str) -> None:
    while True:
        await call.progress(desk.core.clock.monotonic(), text)
        await desk.core.clock.sleep(STEP)


async def _withdraw(desk: Desk, call: Call, change: Change) -> None:
    """Give the hold back, so that it is in nobody's way."""
    with suppress(VpsopsError):
        await desk.core.gate.cancel(change.id, desk.actor(call), reason="The asker went away.", scope=desk.scope)


def _life(desk: Desk, change: Change) -> float:
    if change.expires_at is None:
        return LONGEST_QUESTION
    left: float = (change.expires_at - desk.core.clock.now()).total_seconds()
    return min(max(left, 1.0), LONGEST_QUESTION)


async def _answered(desk: Desk, call: Call) -> ToolResult:
    shown = read_state(call.state)
    if call.answer is not None:
        return await _decide(desk, call, shown, call.answer)
    too_fast = await desk.core.admission.admit(Request(call.tool, call.arguments, desk.actor(call), ORIGIN))
    if too_fast is not None:
        return results.refused(too_fast, tools=desk.change_tools)
    change = await desk.core.changes.get(shown[0], scope=desk.scope)
    if change.state is State.HELD:
        return await _ask(desk, call, change)
    return await carry_on(desk, call, change)


async def _decide(desk: Desk, call: Call, shown: tuple[str, str], answer: Answer | None) -> ToolResult:
    change_id, digest = shown
    gate, actor = desk.core.gate, desk.actor(call)
    try:
        if answer is not None and is_yes(answer):
            return await carry_on(
                desk, call, await gate.confirm(change_id, actor, digest, evidence=confirmed_by(actor), scope=desk.scope)
            )
        why = refusal_of(answer)
        return results.not_confirmed(
            await gate.cancel(change_id, actor, reason=why, scope=desk.scope), why, tools=desk.change_tools
        )
    except StaleChangeError as stale:
        change = await desk.core.changes.get(change_id, scope=desk.scope)
        if takes_tasks(call.context) and not change.state.final:
            return await carry_on(desk, call, change)
        moved_on = await _watch(desk, call, change, desk.patience)
        before = f"This answer changed nothing: {stale}"
        return results.change(moved_on, tools=desk.change_tools, before=joined((before, _ended(desk, moved_on)), "\n"))


async def carry_on(desk: Desk, call: Call, change: Change) -> ToolResult:
    """Hand a change that is not at its end to a client that takes tasks; let the others wait for it in their call."""
    if change.state.final or not takes_tasks(call.context):
        return await follow(desk, call, change)
    timing, now = desk.core.timing, desk.core.clock.now()
    return created(task_of(change, timing, now, can_ask=call.can_ask, tools=desk.change_tools))


async def follow(desk: Desk, call: Call, change: Change, patience: float | None = None) -> t.CallToolResult:
    """Wait until a change is where it stays, or as long as a call may take, and tell where it is."""
    limit = desk.patience if patience is None else patience
    where = await _watch(desk, call, change, limit)
    return results.change(where, tools=desk.change_tools, before=_ended(desk, where))


async def _watch(desk: Desk, call: Call, change: Change, patience: float) -> Change:
    clock = desk.core.clock
    end = clock.monotonic() + patience
    while not settled(change) and (left := end - clock.monotonic()) > 0 and not waits_beyond(change, clock.now(), left):
        with desk.shutdown.wait() as waiting:
            await call.progress(clock.monotonic(), f"{headed(change)} {verdict(change)}")
            change = await desk.core.changes.wait(change.id, seconds=min(left, STEP), until=settled, scope=desk.scope)
        if waiting.cancelled_caught:
            return await _last_seen(desk, change)
    return change


async def _last_seen(desk: Desk, change: Change) -> Change:
    """Return a change as it is now, or as it was a moment ago where that cannot be read any more."""
    with suppress(VpsopsError), anyio.move_on_after(LAST_LOOK):
        return await desk.core.changes.get(change.id, scope=desk.scope)
    return change


def _ended(desk: Desk, change: Change) -> str:
    """Say that a call ends before its change does, where the process stops."""
    return GOES_ON if desk.shutdown.begun and not settled(change) else ""


def waits_beyond(change: Change, now: datetime, seconds: float) -> bool:
    """Say whether the provider wants a change to wait for longer than a call does."""
    return change.not_before is not None and (change.not_before - now).total_seconds() > seconds


def settled(change: Change) -> bool:
    """Say whether waiting on makes no sense: it ended, takes too long, or needs a person."""
    return change.state.final or change.overdue or change.state is State.NEEDS_PERSON
