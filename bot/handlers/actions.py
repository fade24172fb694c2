"""Handles clicks on the controls of messages, forms and App Home."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from vpsops.bot.blocks.elements import Post
from vpsops.bot.commands.parser import OpenCreate
from vpsops.bot.context.bot_context import BotContext
from vpsops.bot.features.approvals import Agreed, Yes, agree, agree_with_grant, agree_with_note
from vpsops.bot.features.modals import open_create, open_deny, open_override, open_review, redraw_create
from vpsops.bot.features.notify import stop_one
from vpsops.bot.features.operation_forms import run_or_ask
from vpsops.bot.features.operations import (
    OperationRequest,
    operation_request_from,
    reason_for_remedy,
    remedy_call,
    run,
)
from vpsops.bot.features.pause import pause, resume, switched_note
from vpsops.bot.features.votes import end_grant, settle, stop_plan, withdraw
from vpsops.bot.handlers.commands import Typed, obey
from vpsops.bot.handlers.history import Showing, show, viewed_of
from vpsops.bot.handlers.home import at_home, set_one
from vpsops.bot.handlers.server_tables import show_whole_list
from vpsops.bot.handlers.shortcuts import act_on, open_actions, picked
from vpsops.bot.ingress.interaction import Interaction, Requester, target_in
from vpsops.bot.messages.change_card import Audience
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.messages.servers import MORE, OperationCall
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import SLASH, word_for
from vpsops.bot.protocol.payloads import BlockActions
from vpsops.bot.slack_api.client import ReplyTarget
from vpsops.bot.views.modals import encode_option, metadata_of
from vpsops.core.changes.model import Change, State
from vpsops.core.common.errors import NotAllowedError, StaleChangeError, UnknownChangeError
from vpsops.core.messaging.outbox import topic_of
from vpsops.core.messaging.posted_messages import PostedMessage
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.servers import ListArguments

Click = Interaction[BlockActions]
Act = Callable[[BotContext, Click], Awaitable[None]]
Decide = Callable[[BotContext, Click, Change], Awaitable[object]]
CHANGE_ID: Final = 80
VOTES: Final = frozenset({action_ids.APPROVE, action_ids.APPROVE_NOTE, action_ids.APPROVE_GRANT, action_ids.DENY})


async def handle_click(ctx: BotContext, click: Click) -> None:
    """Do what the control names."""
    act = ACTS.get(_control(click))
    if act is not None and click.payload.at_home:
        await at_home(ctx, click.requester, partial(act, ctx, click))
    elif act is not None:
        await act(ctx, click)
    elif click.payload.view is None:
        await _answer(ctx, click, note("This control is from an older version of me. Nothing was done."))


def requester_from(payload: BlockActions, key: str) -> Requester:
    """Return who clicked, and where."""
    user = payload.user
    team = payload.team.id if payload.team else user.team_id
    if payload.view is not None:
        target = target_in(metadata_of(payload.view), user.id)
        where = replace(target, response_url=payload.response_url)
        return Requester(user.id, user.username or user.name, team, where, key, target.thread)
    container = payload.container
    channel = (payload.channel.id if payload.channel else "") or container.channel_id
    thread = container.thread_ts if container.thread_ts != container.message_ts else ""
    where = ReplyTarget(user.id, channel, payload.response_url, thread)
    return Requester(user.id, user.username or user.name, team, where, key, container.thread_ts)


def _control(click: Click) -> str:
    return action_ids.base_action_id(click.payload.actions[0].action_id)


async def _answer(ctx: BotContext, click: Click, post: Post) -> None:
    """Answer in private; over the message clicked on if that was private as well."""
    await ctx.slack.reply(click.requester.where, post, replace=click.payload.container.is_ephemeral)


async def _confirm(ctx: BotContext, click: Click, change: Change) -> None:
    await agree(ctx, click.requester, click.payload.trigger_id, Agreed(change, click.digest, Yes.CONFIRM))


async def _approve(ctx: BotContext, click: Click, change: Change) -> None:
    await agree(ctx, click.requester, click.payload.trigger_id, Agreed(change, click.digest, Yes.APPROVE))


async def _approve_with_note(ctx: BotContext, click: Click, change: Change) -> None:
    await agree_with_note(ctx, click.requester, click.payload.trigger_id, Agreed(change, click.digest, Yes.APPROVE))


async def _approve_with_grant(ctx: BotContext, click: Click, change: Change) -> None:
    await agree_with_grant(ctx, click.requester, click.payload.trigger_id, Agreed(change, click.digest, Yes.APPROVE))


async def _end_grant(ctx: BotContext, click: Click) -> None:
    """End a grant; its line is drawn again by its message."""
    grant = await end_grant(ctx, click.requester, str(click.value.get("g", "")))
    if not click.payload.at_home:
        await ctx.slack.reply(
            click.requester.where, note(f"{grant.id} is ended.", "What is asked for now takes votes.")
        )


async def _cancel(ctx: BotContext, click: Click, change: Change) -> None:
    await withdraw(ctx, click.requester, change)


async def _stop_plan(ctx: BotContext, click: Click, change: Change) -> None:
    await stop_plan(ctx, click.requester, change)


async def _deny(ctx: BotContext, click: Click, change: Change) -> None:
    await open_deny(ctx, click.requester, click.payload.trigger_id, change, click.digest)


async def _override(ctx: BotContext, click: Click, change: Change) -> None:
    await open_override(ctx, click.requester, click.payload.trigger_id, change, click.digest)


async def _review(ctx: BotContext, click: Click, change: Change) -> None:
    await open_review(ctx, click.requester, click.payload.trigger_id, change, click.digest)


async def _settle(ctx: BotContext, click: Click, change: Change) -> None:
    await settle(ctx, click.requester, change, happened=_control(click) == action_ids.HAPPENED)


async def _decide(decide: Decide, ctx: BotContext, click: Click) -> None:
    """Decide about a change, loaded once with its copies; a refusal is raised after the card was redrawn."""
    try:
        change, copies = await ctx.core.changes.get_with_copies(click.change_id[:CHANGE_ID], scope=ctx.core.scope)
    except UnknownChangeError:
        hint = "Its buttons do nothing here. Ask again for what is still wanted."
        what = "This card is of a change that I do not know: of another set-up, or long ago."
        raise UnknownChangeError(what, hint=hint) from None
    team = click.requester.team
    if change.origin.team and team and change.origin.team != team:
        raise NotAllowedError("This card belongs to another workspace and cannot be decided here.")
    await _adopt(ctx, click, change, copies)
    try:
        await decide(ctx, click, change)
    except (StaleChangeError, NotAllowedError):
        await ctx.outbox_worker.redraw(await ctx.core.changes.get(change.id, scope=ctx.core.scope))
        raise


async def _adopt(ctx: BotContext, click: Click, change: Change, copies: Sequence[PostedMessage]) -> None:
    """Remember a card that was posted and never noted, because its process ended, so that it is edited too."""
    container = click.payload.container
    if container.is_ephemeral or not container.message_ts or not container.channel_id:
        return
    if (container.channel_id, container.message_ts) in {(copy.channel, copy.ts) for copy in copies}:
        return
    purpose = Audience.VOTERS if _control(click) in VOTES else Audience.ASKER
    topic = topic_of(change.id)
    await ctx.core.outbox.remember(topic, purpose.value, container.channel_id, container.message_ts)
    if change.state is not State.HELD:
        await ctx.outbox_worker.redraw(change)


async def _stop_notify(ctx: BotContext, click: Click) -> None:
    ident, replace = str(click.value.get("id", "")), click.payload.container.is_ephemeral
    await stop_one(ctx, click.requester, ident, replace=replace)


async def _run(ctx: BotContext, click: Click) -> None:
    request = operation_request_from(click.value, replace=click.payload.container.is_ephemeral)
    if request is not None:
        await run_or_ask(ctx, click.requester, request, click.payload.trigger_id)


async def _set_aside(ctx: BotContext, click: Click) -> None:
    """Set aside what is in the way and ask for what it was in the way of, in one step; neither where it moved on."""
    asked = operation_request_from(click.value, replace=click.payload.container.is_ephemeral)
    if asked is None:
        change = await ctx.core.changes.get(click.change_id[:CHANGE_ID], scope=ctx.core.scope)
        await withdraw(ctx, click.requester, change)
        await _answer(ctx, click, note(f"{change.id} is set aside.", "Ask again for what you need."))
    else:
        await run(ctx, click.requester, replace(asked, sets_aside=click.change_id[:CHANGE_ID]))


async def _run_beside(ctx: BotContext, click: Click) -> None:
    """Run what a button names and leave the message that it stands on."""
    request = operation_request_from(click.value, replace=False)
    if request is not None:
        await run(ctx, click.requester, request)


async def _remedy(ctx: BotContext, click: Click, change: Change) -> None:
    """Ask for what a superseded change lacked: as a change of its own, of the same person, by their own rights."""
    remedy = change.remedy
    if remedy is None:
        raise StaleChangeError("There is nothing to do first for this change.", hint="Ask for what is still wanted.")
    if not click.requester.actor.same_human(change.actor):
        word = f"{SLASH} {word_for(remedy.operation)} {remedy.hostname}"
        raise NotAllowedError(
            f"Only {change.actor.cited} can do this from here.", hint=f"{word} asks in your own name."
        )
    call, reason = remedy_call(remedy), reason_for_remedy(change.reason, change.id)
    await run(ctx, click.requester, OperationRequest(call.operation, call.arguments, reason))


async def _share(ctx: BotContext, click: Click) -> None:
    viewed, request = viewed_of(click.value), operation_request_from(click.value, replace=False, everyone=True)
    if viewed is not None:
        await show(ctx, click.requester, viewed, Showing(everyone=True))
    elif request is not None:
        await run(ctx, click.requester, request)


async def _whole_list(ctx: BotContext, click: Click, *, everyone: bool = False) -> None:
    request = operation_request_from(click.value, replace=False)
    operation = OPERATIONS.get(request.operation) if request is not None else None
    if request is not None and operation is not None and operation.arguments is ListArguments:
        call = OperationCall(request.operation, request.arguments)
        await show_whole_list(ctx, click.requester, call, everyone=everyone)


async def _view(ctx: BotContext, click: Click) -> None:
    viewed = viewed_of(click.value)
    if viewed is not None:
        await show(ctx, click.requester, viewed, Showing(replace=click.payload.container.is_ephemeral))


async def _type(ctx: BotContext, click: Click) -> None:
    text, payload = click.value.get("t"), click.payload
    if isinstance(text, str):
        await obey(ctx, click.requester, Typed(text, payload.trigger_id, payload.container.is_ephemeral))


async def _resume(ctx: BotContext, click: Click) -> None:
    paused_at = click.value.get("at")
    if isinstance(paused_at, int | float):
        reason = str(click.value.get("why", ""))
        state = await resume(ctx, click.requester, seen=float(paused_at), reason=reason)
        await _answer(ctx, click, switched_note(state))


async def _menu(ctx: BotContext, click: Click) -> None:
    operation, _, server = click.payload.actions[0].chosen_value.partition(" ")
    if operation == MORE:
        await open_actions(ctx, click.requester, click.payload.trigger_id, server)
        return
    request = operation_request_from({"op": operation, "args": {"server": server}}, replace=False)
    if request is not None:
        await run_or_ask(ctx, click.requester, request, click.payload.trigger_id)


async def _more(ctx: BotContext, click: Click) -> None:
    server, view = str(click.value.get("s", "")), click.payload.view
    if view is not None and not click.payload.at_home:
        await picked(ctx, click.requester, view, encode_option(server))
    else:
        await open_actions(ctx, click.requester, click.payload.trigger_id, server)


async def _plan(ctx: BotContext, click: Click) -> None:
    if click.payload.view is not None:
        await redraw_create(ctx, click.requester, click.payload.view)


async def _new(ctx: BotContext, click: Click) -> None:
    await open_create(ctx, click.requester, click.payload.trigger_id, OpenCreate())


async def _setting(ctx: BotContext, click: Click) -> None:
    await set_one(ctx, click.requester, click.value)


async def _pause(ctx: BotContext, click: Click) -> None:
    await pause(ctx, click.requester)


async def _resume_at_home(ctx: BotContext, click: Click) -> None:
    paused_at = click.value.get("at")
    await resume(ctx, click.requester, seen=float(paused_at) if isinstance(paused_at, int | float) else 0.0)


async def _refresh(ctx: BotContext, _click: Click) -> None:
    """Home is redrawn after every click; this one has the servers read again as well."""
    ctx.homes.shelf.old()


async def _act(ctx: BotContext, click: Click) -> None:
    request = operation_request_from(click.value, replace=True)
    if request is not None and click.payload.view is not None:
        await act_on(ctx, click.requester, click.payload.view, request)


async def _pick(ctx: BotContext, click: Click) -> None:
    if click.payload.view is not None:
        await picked(ctx, click.requester, click.payload.view, click.payload.actions[0].chosen_value)


ACTS: Final[Mapping[str, Act]] = {
    action_ids.CONFIRM: partial(_decide, _confirm),
    action_ids.CANCEL: partial(_decide, _cancel),
    action_ids.STOP_PLAN: partial(_decide, _stop_plan),
    action_ids.APPROVE: partial(_decide, _approve),
    action_ids.APPROVE_NOTE: partial(_decide, _approve_with_note),
    action_ids.APPROVE_GRANT: partial(_decide, _approve_with_grant),
    action_ids.GRANT_END: _end_grant,
    action_ids.DENY: partial(_decide, _deny),
    action_ids.OVERRIDE: partial(_decide, _override),
    action_ids.REVIEW: partial(_decide, _review),
    action_ids.HAPPENED: partial(_decide, _settle),
    action_ids.NOT_HAPPENED: partial(_decide, _settle),
    action_ids.NOTIFY_OFF: _stop_notify,
    action_ids.RUN: _run,
    action_ids.SET_ASIDE: _set_aside,
    action_ids.REMEDY: _run_beside,
    action_ids.AGAIN: _run_beside,
    action_ids.FIRST: partial(_decide, _remedy),
    action_ids.MENU: _menu,
    action_ids.MORE: _more,
    action_ids.SHARE: _share,
    action_ids.WHOLE_LIST: _whole_list,
    action_ids.SHARE_WHOLE: partial(_whole_list, everyone=True),
    action_ids.VIEW: _view,
    action_ids.TYPED: _type,
    action_ids.RESUME: _resume,
    action_ids.PLAN: _plan,
    action_ids.NEW: _new,
    action_ids.REFRESH: _refresh,
    action_ids.SETTING: _setting,
    action_ids.HOME_PAUSE: _pause,
    action_ids.HOME_RESUME: _resume_at_home,
    action_ids.ACT: _act,
    action_ids.PICK: _pick,
}
