"""Submits an operation to the gate and answers its requester."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from pydantic import BaseModel

from vpsops.bot.blocks.elements import Post, shared_copy
from vpsops.bot.blocks.labels import action_label
from vpsops.bot.blocks.text import user_mention
from vpsops.bot.commands.grant_parser import AskGrant
from vpsops.bot.commands.plan_parser import RunPlan
from vpsops.bot.commands.runbook_parser import RunRunbook
from vpsops.bot.context.bot_context import BotContext, read, request_of, submit
from vpsops.bot.context.permalinks import links_to
from vpsops.bot.features.server_actions import may_ask_for, offered_operations
from vpsops.bot.features.votes import full_member_sets_aside
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.messages.catalogue import (
    addons_table,
    part_answer,
    plans_table,
    regions_table,
    systems_table,
)
from vpsops.bot.messages.ephemeral import (
    busy_note,
    error_note,
    note,
    precondition_note,
    server_suggestions,
    time_choice,
    with_link,
)
from vpsops.bot.messages.results import result_page
from vpsops.bot.messages.servers import (
    NO_OPERATIONS,
    OWNER,
    Offered,
    OperationCall,
    server_choice,
    server_details,
    server_page,
    shareable,
    usage_page,
)
from vpsops.core.changes.approvals import is_unconfirmed
from vpsops.core.changes.model import Change
from vpsops.core.changes.requests import Done, Held, Outcome, Refused
from vpsops.core.common.errors import AmbiguousServerError, PreconditionError, Remedy, UnknownServerError, VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.core.common.supervision import block_tasks
from vpsops.core.common.text import one_line
from vpsops.core.grants.requests import GrantRequest
from vpsops.core.messaging.outbox import topic_of
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.catalogue import Addons, OsTemplates, Plans, Regions
from vpsops.core.operations.servers import ServerList
from vpsops.core.operations.target import Target
from vpsops.core.operations.traits import RUNBOOK
from vpsops.core.plans.requests import PlanRequest
from vpsops.core.plans.selection import selection_from
from vpsops.core.policy.decision import Decision
from vpsops.core.runbooks.requests import RunbookRequest, request_arguments
from vpsops.core.schedule.model import LaterRequest
from vpsops.core.schedule.time_words import UnclearTimeError
from vpsops.core.wayscloud.answers.models import Server, Usage

PATIENCE: Final = 4.0
"""Seconds after which the requester is informed that the provider is slow."""
LONGEST_REASON: Final = 500
LONGEST_REFERENCE: Final = 200
LONGEST_TIME: Final = 80
CARD_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """A requested run of an operation; `replace` draws the answer over the message that was clicked on.

    `sets_aside` is the id of another person's unconfirmed change that is withdrawn together with it. `later` are the
    words of the time at which a change runs.
    """

    operation: str
    arguments: Mapping[str, Json]
    reason: str = ""
    replace: bool = False
    everyone: bool = False
    sets_aside: str = ""
    later: str = ""

    @property
    def time(self) -> dict[str, str]:
        """The time as the value of a button that asks for the same holds it."""
        return {"when": self.later} if self.later else {}

    @property
    def words(self) -> dict[str, str]:
        """The reason and the time as the value of a button that asks for the same holds them."""
        return {**({"why": one_line(self.reason, LONGEST_REASON)} if self.reason else {}), **self.time}


async def submit_change(ctx: BotContext, requester: Requester, request: OperationRequest) -> Outcome:
    """Submit a change for a person, with its reason; raises what the gate raises."""
    asked = await request_of(ctx, requester, request.operation, request.arguments)
    aside = await full_member_sets_aside(ctx, requester, request.sets_aside) if request.sets_aside else None
    later = await _later(ctx, requester, request.later)
    whole = replace(asked, reason=request.reason, sets_aside=aside, later=later)
    return await ctx.core.gate.submit(whole, scope=ctx.core.scope)


async def submit_any(ctx: BotContext, requester: Requester, request: OperationRequest) -> Outcome:
    """Submit a read or a change for a person; raises what the gate raises."""
    if OPERATIONS[request.operation].reads:
        return await submit(ctx, requester, request.operation, request.arguments)
    return await submit_change(ctx, requester, request)


async def run(ctx: BotContext, requester: Requester, request: OperationRequest) -> None:
    """Run a read and show it, or hold a change and say where its card is."""
    post = await patiently(ctx, requester, partial(outcome_post, ctx, requester, request))
    entry = OPERATIONS.get(request.operation)
    if post is not None and request.everyone and entry is not None and entry.secret:
        post = note("This is for you alone, so it is not posted here.")
    elif post is not None and request.everyone:
        post = shared_copy(post, user_mention(requester.user, requester.name))
    if post is not None:
        await ctx.slack.reply(requester.where, post, replace=request.replace, everyone=request.everyone)


async def hold(ctx: BotContext, requester: Requester, command: RunPlan | AskGrant | RunRunbook) -> None:
    """Hold a plan, a runbook or a request for a grant and say where its card is, or say why there is none."""
    post = await patiently(ctx, requester, partial(_held_post, ctx, requester, command))
    if post is not None:
        await ctx.slack.reply(requester.where, post)


async def _held_post(ctx: BotContext, requester: Requester, command: RunPlan | AskGrant | RunRunbook) -> Post | None:
    try:
        if isinstance(command, RunPlan):
            outcome = await _submit_plan(ctx, requester, command)
        elif isinstance(command, RunRunbook):
            outcome = await _submit_runbook(ctx, requester, command)
        else:
            outcome = await _submit_grant(ctx, requester, command)
    except VpsopsError as error:
        return error_note(error)
    if isinstance(outcome, Refused):
        post = note(outcome.reason, outcome.hint, outcome.error_id)
        return await linked_to(ctx, requester, post, outcome.change)
    change = outcome.change
    return await card_note(ctx, requester, change, spoken=False) if change is not None else None


async def _submit_plan(ctx: BotContext, requester: Requester, command: RunPlan) -> Outcome:
    asked = await request_of(ctx, requester, command.operation, command.arguments)
    asked = replace(asked, reason=command.reason, later=await _later(ctx, requester, command.later))
    planned = PlanRequest(asked, selection_from(command.words), command.options)
    return await ctx.core.gate.submit_plan(planned, scope=ctx.core.scope)


async def _submit_runbook(ctx: BotContext, requester: Requester, command: RunRunbook) -> Outcome:
    runbook = await ctx.core.runbooks.get(command.name, scope=ctx.core.scope)
    asked = await request_of(ctx, requester, RUNBOOK.name, request_arguments(runbook, command.values))
    asked = replace(asked, reason=command.reason, later=await _later(ctx, requester, command.later))
    return await ctx.core.gate.submit_plan(RunbookRequest(asked, runbook), scope=ctx.core.scope)


async def _later(ctx: BotContext, requester: Requester, words: str) -> LaterRequest | None:
    return LaterRequest(words, await ctx.membership.read_zone(requester.user)) if words else None


async def _submit_grant(ctx: BotContext, requester: Requester, command: AskGrant) -> Outcome:
    request = replace(await request_of(ctx, requester, command.operation, {}), reason=command.reason)
    asked = GrantRequest(request, command.servers, command.seconds, command.uses, command.agent, command.human)
    return await ctx.core.gate.ask_grant(asked, scope=ctx.core.scope)


async def patiently(ctx: BotContext, requester: Requester, make: Callable[[], Awaitable[Post | None]]) -> Post | None:
    """Say after a while that the provider is slow: a command without an answer seems broken."""
    async with block_tasks() as group:
        group.start_soon(_say_slow, ctx, requester)
        return await make()


async def _say_slow(ctx: BotContext, requester: Requester) -> None:
    await ctx.core.clock.sleep(PATIENCE)
    await ctx.slack.reply(requester.where, note("The provider is slow to answer. The answer follows here."))


async def outcome_post(ctx: BotContext, requester: Requester, request: OperationRequest) -> Post | None:
    """Ask the gate; return what to show, or nothing where the card says it all."""
    try:
        return await carry_out(ctx, requester, request)
    except VpsopsError as error:
        return await error_post(ctx, requester, request, error)


async def carry_out(ctx: BotContext, requester: Requester, request: OperationRequest) -> Post | None:
    """Ask the gate; return what to show, or nothing where the card says it all; raises what the gate raises."""
    entry = OPERATIONS.get(request.operation)
    if entry is not None and entry.result is Usage:
        return await _usage(ctx, requester, request)
    outcome = await submit_any(ctx, requester, request)
    match outcome:
        case Refused():
            return await linked_to(
                ctx, requester, refusal(requester, request, outcome, ctx.core.clock.now()), outcome.change
            )
        case Held() | Done(change=Change()):
            change = outcome.change
            return await card_note(ctx, requester, change, spoken=request.replace) if change else None
        case Done():
            call = _call_of(request, outcome.target)
            offered = await _offered(ctx, requester, outcome.result)
            owner = ctx.core.settings.owner_label
            return result_post(outcome.result, call, ctx.core.clock.now(), offered, owner)


def _call_of(request: OperationRequest, target: Target | None) -> OperationCall:
    """Return the call that gave a result, on the very server that it is of."""
    if target is None:
        return OperationCall(request.operation, request.arguments)
    return OperationCall(request.operation, {**request.arguments, "server": target.id}, target.hostname)


async def _offered(ctx: BotContext, requester: Requester, result: BaseModel | None) -> Offered:
    """Return what a person may do with the servers of a result."""
    match result:
        case ServerList():
            return await offered_operations(ctx, requester, result.servers)
        case Server():
            return await offered_operations(ctx, requester, [result])
        case _:
            return NO_OPERATIONS


async def error_post(ctx: BotContext, requester: Requester, request: OperationRequest, error: VpsopsError) -> Post:
    """Draw why a request cannot be carried out, with buttons for what can: all its other arguments stay."""
    match error:
        case AmbiguousServerError():
            typed = str(request.arguments.get("server", ""))
            return server_choice(typed, request.operation, error.candidates, request.words, request.arguments)
        case UnknownServerError():
            return server_suggestions(error, request.operation, error.nearest, request.words, request.arguments)
        case UnclearTimeError():
            call = OperationCall(request.operation, request.arguments).value | request.words
            return time_choice(error, error.readings, call)
        case PreconditionError():
            return await _precondition_note(ctx, requester, request, error)
        case _:
            return error_note(error)


async def _precondition_note(
    ctx: BotContext, requester: Requester, request: OperationRequest, error: PreconditionError
) -> Post:
    """Draw a refusal with the change that would meet its precondition, where this person may ask for that."""
    if not await may_ask_for(ctx, requester, error.remedy):
        return error_note(error)
    details = [str(value) for name, value in request.arguments.items() if name != "server" and value]
    what = action_label(request.operation, " ".join((error.remedy.hostname, *details)), LONGEST_REFERENCE)
    first = {**remedy_call(error.remedy).value, "why": reason_for_remedy(request.reason, what)}
    again = {**OperationCall(request.operation, request.arguments).value, "why": request.reason, **request.time}
    return precondition_note(error, first, again)


def remedy_call(remedy: Remedy) -> OperationCall:
    """Return the call that a remedy is."""
    return OperationCall(remedy.operation, remedy.arguments)


def reason_for_remedy(reason: str, reference: str) -> str:
    """Return the reason of a change that is asked for first: that of the change it is for, and which this is."""
    room = LONGEST_REASON - len(reference) - len(" (first, for: )")
    return f"{one_line(reason, room)} (first, for: {reference})".strip()


def refusal(requester: Requester, request: OperationRequest, refused: Refused, now: datetime) -> Post:
    """Draw why something will not run; what is in the way and was not confirmed can be set aside by a click."""
    first = refused.change
    if first is None:
        return note(refused.reason, refused.hint, refused.error_id)
    if not is_unconfirmed(first) or requester.actor.same_human(first.actor):
        return busy_note(refused, now)
    again = OperationCall(request.operation, request.arguments).value
    value = {"c": first.id, **again, "why": one_line(request.reason, 400), **request.time}
    return busy_note(refused, now, action_label(request.operation, first.target.hostname), value)


async def _usage(ctx: BotContext, requester: Requester, request: OperationRequest) -> Post:
    """Look the server up first, so that the figures carry the name of the very server they are of."""
    server: Server = await read(ctx, requester, "get", request.arguments)
    arguments = {"server": server.id}
    usage: Usage = await read(ctx, requester, "status", arguments)
    return usage_page(server.hostname, usage, OperationCall("status", arguments))


def result_post(
    result: BaseModel | None,
    asked: OperationCall,
    now: datetime,
    offered: Offered = NO_OPERATIONS,
    owner: str = OWNER,
) -> Post:
    """Draw a read's result."""
    match result:
        case ServerList():
            return server_page(result, asked, offered, owner)
        case Server():
            return server_details(result, OperationCall("get", {"server": result.id}), offered, owner)
        case Plans():
            return shareable(plans_table(result.plans, result.lacking), asked)
        case OsTemplates():
            return shareable(systems_table(result.os_templates, result.lacking), asked)
        case Regions():
            return shareable(regions_table(result.regions, result.lacking), asked)
        case Addons():
            return shareable(addons_table(result.addons, result.lacking), asked)
        case BaseModel():
            return _part_page(result, asked, now)
        case _:
            return note("Done.")


def _part_page(result: BaseModel, asked: OperationCall, now: datetime) -> Post:
    """Draw what a server has, or any other result by its fields; a secret one cannot be shared."""
    post = part_answer(result, now, asked.about)
    if post is not None:
        return shareable(post, asked)
    entry = OPERATIONS.get(asked.operation)
    return result_page(result, None if entry is not None and entry.secret else asked)


async def card_note(ctx: BotContext, requester: Requester, change: Change, *, spoken: bool) -> Post | None:
    """Say where the card of a change is, unless the person sees it already."""
    words, hint = await card_words(ctx, requester, change)
    return await linked_to(ctx, requester, note(words, hint), change) if spoken or hint else None


async def linked_to(ctx: BotContext, requester: Requester, post: Post, change: Change | None) -> Post:
    """Return an answer with a link to the card of the change that it speaks of, where one is known."""
    links = await links_to(ctx, requester, [change]) if change else {}
    return with_link(post, links[change.id]) if change and change.id in links else post


async def card_words(ctx: BotContext, requester: Requester, change: Change) -> tuple[str, str]:
    """Return where the card of a change is, and what to know of that; no more to know where it is at hand."""
    channels = await _card_channels(ctx, change)
    if not channels:
        return f"{change.id} is written down. Its card follows.", "/vps changes shows where it is."
    if requester.where.channel == requester.user:
        return "Its card is in your direct messages with me.", ""
    if requester.where.channel in channels:
        return "Its card is in this channel now.", ""
    if change.ruling.decision is Decision.APPROVE and ctx.core.settings.approval_channel in channels:
        return "Others are asked for their approval.", "I am not in this channel, so the card is only with them."
    return (
        "I am not in this channel, so the card is in your direct messages with me.",
        f"Invite me here to have cards in this channel. ({change.id})",
    )


async def _card_channels(ctx: BotContext, change: Change) -> set[str]:
    """Wait a moment for the card to be posted, here or by another process; return the channels it is in."""
    clock = ctx.core.clock
    give_up = clock.monotonic() + CARD_SECONDS
    while True:
        copies = await ctx.core.outbox.copies(topic_of(change.id))
        if copies or clock.monotonic() >= give_up:
            return {copy.channel for copy in copies}
        await clock.sleep(LOOK_SECONDS)


def operation_request_from(
    value: Mapping[str, Any], *, replace: bool, everyone: bool = False
) -> OperationRequest | None:
    """Read what a button of ours runs; None for a button of another kind."""
    operation, arguments = value.get("op"), value.get("args")
    if not isinstance(operation, str) or not isinstance(arguments, dict):
        return None
    return OperationRequest(
        operation,
        arguments,
        one_line(str(value.get("why", "")), LONGEST_REASON),
        replace,
        everyone,
        later=one_line(str(value.get("when", "")), LONGEST_TIME),
    )
