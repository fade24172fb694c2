"""What a click does, once it is stored and acknowledged."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from vpsops.bot.blocks.elements import unpack
from vpsops.bot.commands.parser import OpenCreate
from vpsops.bot.context.bot_context import BotContext, Requester
from vpsops.bot.features.approvals import Agreed, Yes, agree, agree_with_note
from vpsops.bot.features.modals import open_create, open_deny, redraw_create
from vpsops.bot.features.notify import stop_one
from vpsops.bot.features.operations import run, wanted_of
from vpsops.bot.features.pause import pause, resume, switched_note
from vpsops.bot.features.votes import settle, withdraw
from vpsops.bot.handlers.commands import Typed, obey
from vpsops.bot.handlers.history import Showing, show, viewed_of
from vpsops.bot.handlers.home import at_home, set_one
from vpsops.bot.handlers.shortcuts import act_on, picked
from vpsops.bot.messages.change_card import Audience
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.payloads import BlockActions
from vpsops.bot.slack_api.client import ReplyTarget
from vpsops.bot.views.modals import metadata_of
from vpsops.core.changes.model import Change, State
from vpsops.core.common.errors import NotAllowedError, StaleChangeError, UnknownChangeError
from vpsops.core.messaging.inbox import InboxDelivery
from vpsops.core.messaging.outbox import topic_of

Act = Callable[[BotContext, Requester, BlockActions, Mapping[str, Any]], Awaitable[None]]
CHANGE_ID: Final = 80


async def on_click(ctx: BotContext, delivery: InboxDelivery) -> None:
    """Do what the control says, for whoever used it."""
    click = BlockActions.model_validate(delivery.payload)
    requester = asking_of(click, delivery.key)
    kind = action_ids.base_action_id(click.actions[0].action_id)
    act = ACTS.get(kind)
    if act is not None and click.at_home:
        await at_home(ctx, requester, partial(act, ctx, requester, click, unpack(click.actions[0].chosen_value)))
    elif act is not None:
        await act(ctx, requester, click, unpack(click.actions[0].chosen_value))
    elif click.view is None:
        await ctx.slack.reply(requester.where, note("This control is from an older version of me. Nothing was done."))


def asking_of(click: BlockActions, key: str) -> Requester:
    """Return who clicked, and where."""
    channel = (click.channel.id if click.channel else "") or click.container.channel_id
    if click.view is not None:
        channel = str(metadata_of(click.view.model_dump()).get("ch", "")) or click.user.id
    team = click.team.id if click.team else click.user.team_id
    where = ReplyTarget(click.user.id, channel, click.response_url)
    name = click.user.username or click.user.name
    return Requester(click.user.id, name, team, where, key, click.container.thread_ts)


async def _confirm(ctx: BotContext, requester: Requester, click: BlockActions, value: Mapping[str, Any]) -> None:
    async def decide(change: str, digest: str) -> None:
        found = await ctx.core.changes.get(change, scope=ctx.core.scope)
        await agree(ctx, requester, click.trigger_id, Agreed(found, digest, Yes.CONFIRM))

    await _on_card(ctx, requester, click, value, decide)


async def _cancel(ctx: BotContext, requester: Requester, click: BlockActions, value: Mapping[str, Any]) -> None:
    async def decide(change: str, _digest: str) -> None:
        await withdraw(ctx, requester, await ctx.core.changes.get(change, scope=ctx.core.scope))

    await _on_card(ctx, requester, click, value, decide)


async def _approve(ctx: BotContext, requester: Requester, click: BlockActions, value: Mapping[str, Any]) -> None:
    async def decide(change: str, digest: str) -> None:
        found = await ctx.core.changes.get(change, scope=ctx.core.scope)
        await agree(ctx, requester, click.trigger_id, Agreed(found, digest, Yes.APPROVE))

    await _on_card(ctx, requester, click, value, decide)


async def _approve_noting(ctx: BotContext, requester: Requester, click: BlockActions, value: Mapping[str, Any]) -> None:
    async def decide(change: str, digest: str) -> None:
        found = await ctx.core.changes.get(change, scope=ctx.core.scope)
        await agree_with_note(ctx, requester, click.trigger_id, Agreed(found, digest, Yes.APPROVE))

    await _on_card(ctx, requester, click, value, decide)


async def _notify_off(ctx: BotContext, requester: Requester, click: BlockActions, value: Mapping[str, Any]) -> None:
    await stop_one(ctx, requester, str(value.get("id", "")), replace=click.container.is_ephemeral)


async def _deny(ctx: BotContext, requester: Requester, click: BlockActions, value: Mapping[str, Any]) -> None:
    async def decide(change: str, digest: str) -> None:
        await open_deny(
            ctx, requester, click.trigger_id, await ctx.core.changes.get(change, scope=ctx.core.scope), digest
        )

    await _on_card(ctx, requester, click, value, decide)


async def _settle(ctx: BotContext, requester: Requester, click: BlockActions, value: Mapping[str, Any]) -> None:
    happened = action_ids.base_action_id(click.actions[0].action_id) == action_ids.HAPPENED

    async def decide(change: str, _digest: str) -> None:
        await settle(ctx, requester, await ctx.core.changes.get(change, scope=ctx.core.scope), happened=happened)

    await _on_card(ctx, requester, click, value, decide)


async def _on_card(
    ctx: BotContext,
    requester: Requester,
    click: BlockActions,
    value: Mapping[str, Any],
    decide: Callable[[str, str], Awaitable[None]],
) -> None:
    """Decide something on a card; a refusal is told in private, and the card is brought to what is true now."""
    ident, digest = str(value.get("c", ""))[:CHANGE_ID], str(value.get("d", ""))
    change = await _known(ctx, requester, ident)
    await _adopt(ctx, click, change)
    try:
        await decide(ident, digest)
    except (StaleChangeError, NotAllowedError):
        await ctx.outbox_worker.redraw(await ctx.core.changes.get(ident, scope=ctx.core.scope))
        raise


async def _known(ctx: BotContext, requester: Requester, ident: str) -> Change:
    """Return the change of a card; one of another installation or workspace is not decided here."""
    try:
        change = await ctx.core.changes.get(ident, scope=ctx.core.scope)
    except UnknownChangeError:
        hint = "Its buttons do nothing here. Ask again for what is still wanted."
        what = "This card is of a change that I do not know: of another set-up, or long ago."
        raise UnknownChangeError(what, hint=hint) from None
    if change.origin.team and requester.team and change.origin.team != requester.team:
        raise NotAllowedError("This card is of another workspace, so nobody can decide on it here.")
    return change


async def _adopt(ctx: BotContext, click: BlockActions, change: Change) -> None:
    """Remember a copy that was posted and never noted (the process ended in between), so that it is edited too."""
    where = click.container
    if where.is_ephemeral or not where.message_ts or not where.channel_id:
        return
    topic = topic_of(change.id)
    known = {(one.channel, one.ts) for one in await ctx.core.outbox.copies(topic)}
    if (where.channel_id, where.message_ts) in known:
        return
    votes = action_ids.base_action_id(click.actions[0].action_id) in {
        action_ids.APPROVE,
        action_ids.APPROVE_NOTE,
        action_ids.DENY,
    }
    purpose = Audience.VOTERS if votes else Audience.ASKER
    await ctx.core.outbox.remember(topic, purpose.value, where.channel_id, where.message_ts)
    if change.state is not State.HELD:
        await ctx.outbox_worker.redraw(change)


async def _run(ctx: BotContext, requester: Requester, click: BlockActions, value: Mapping[str, Any]) -> None:
    wanted = wanted_of(value, replace=click.container.is_ephemeral)
    if wanted is not None:
        await run(ctx, requester, wanted)


async def _share(ctx: BotContext, requester: Requester, _click: BlockActions, value: Mapping[str, Any]) -> None:
    viewed, wanted = viewed_of(value), wanted_of(value, replace=False, everyone=True)
    if viewed is not None:
        await show(ctx, requester, viewed, Showing(everyone=True))
    elif wanted is not None:
        await run(ctx, requester, wanted)


async def _view(ctx: BotContext, requester: Requester, click: BlockActions, value: Mapping[str, Any]) -> None:
    viewed = viewed_of(value)
    if viewed is not None:
        await show(ctx, requester, viewed, Showing(replace=click.container.is_ephemeral))


async def _typed(ctx: BotContext, requester: Requester, click: BlockActions, value: Mapping[str, Any]) -> None:
    text = value.get("t")
    if isinstance(text, str):
        await obey(ctx, requester, Typed(text, click.trigger_id, click.container.is_ephemeral))


async def _resume(ctx: BotContext, requester: Requester, click: BlockActions, value: Mapping[str, Any]) -> None:
    seen = value.get("at")
    if isinstance(seen, int | float):
        found = await resume(ctx, requester, seen=float(seen), reason=str(value.get("why", "")))
        await ctx.slack.reply(requester.where, switched_note(found), replace=click.container.is_ephemeral)


async def _menu(ctx: BotContext, requester: Requester, click: BlockActions, _value: Mapping[str, Any]) -> None:
    operation, _, server = click.actions[0].chosen_value.partition(" ")
    wanted = wanted_of({"op": operation, "args": {"server": server}}, replace=False)
    if wanted is not None:
        await run(ctx, requester, wanted)


async def _plan(ctx: BotContext, requester: Requester, click: BlockActions, _value: Mapping[str, Any]) -> None:
    if click.view is not None:
        await redraw_create(ctx, requester, click.view)


async def _new(ctx: BotContext, requester: Requester, click: BlockActions, _value: Mapping[str, Any]) -> None:
    await open_create(ctx, requester, click.trigger_id, OpenCreate())


async def _setting(ctx: BotContext, requester: Requester, _click: BlockActions, value: Mapping[str, Any]) -> None:
    await set_one(ctx, requester, value)


async def _pause(ctx: BotContext, requester: Requester, _click: BlockActions, _value: Mapping[str, Any]) -> None:
    await pause(ctx, requester)


async def _go_on(ctx: BotContext, requester: Requester, _click: BlockActions, value: Mapping[str, Any]) -> None:
    seen = value.get("at")
    await resume(ctx, requester, seen=float(seen) if isinstance(seen, int | float) else 0.0)


async def _refresh(ctx: BotContext, _asking: Requester, _click: BlockActions, _value: Mapping[str, Any]) -> None:
    """Home is drawn anew after every click; this one wants the servers looked at as well."""
    ctx.homes.shelf.old()


async def _act(ctx: BotContext, requester: Requester, click: BlockActions, value: Mapping[str, Any]) -> None:
    wanted = wanted_of(value, replace=True)
    if wanted is not None and click.view is not None:
        await act_on(ctx, requester, click.view, wanted)


async def _pick(ctx: BotContext, requester: Requester, click: BlockActions, _value: Mapping[str, Any]) -> None:
    if click.view is not None:
        await picked(ctx, requester, click.view, click.actions[0].chosen_value)


ACTS: Final[Mapping[str, Act]] = {
    action_ids.CONFIRM: _confirm,
    action_ids.CANCEL: _cancel,
    action_ids.APPROVE: _approve,
    action_ids.APPROVE_NOTE: _approve_noting,
    action_ids.DENY: _deny,
    action_ids.NOTIFY_OFF: _notify_off,
    action_ids.HAPPENED: _settle,
    action_ids.NOT_HAPPENED: _settle,
    action_ids.RUN: _run,
    action_ids.MENU: _menu,
    action_ids.SHARE: _share,
    action_ids.VIEW: _view,
    action_ids.TYPED: _typed,
    action_ids.RESUME: _resume,
    action_ids.PLAN: _plan,
    action_ids.NEW: _new,
    action_ids.REFRESH: _refresh,
    action_ids.SETTING: _setting,
    action_ids.HOME_PAUSE: _pause,
    action_ids.HOME_RESUME: _go_on,
    action_ids.ACT: _act,
    action_ids.PICK: _pick,
}
