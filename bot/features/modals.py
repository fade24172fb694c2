"""Opening forms and keeping them current: something is shown at once, what takes time is drawn in afterwards."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import structlog

from vpsops.bot.blocks.elements import Block
from vpsops.bot.commands.parser import OpenCreate
from vpsops.bot.context.bot_context import BotContext, catalogue
from vpsops.bot.ingress.interaction import Requester, target_in
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.protocol.payloads import ViewPayload
from vpsops.bot.slack_api.client import SlackError, ViewHandle
from vpsops.bot.views.break_glass import override_view, review_view
from vpsops.bot.views.modals import (
    MENUS,
    CreateDraft,
    OrderOptions,
    busy_view,
    create_view,
    deny_view,
    metadata_of,
    missing_offers,
    read_values,
)
from vpsops.core.authorization.change_reader import stale
from vpsops.core.break_glass.repository import closed_already
from vpsops.core.break_glass.rights import check_overrider, check_reviewer, is_overridable
from vpsops.core.changes.approvals import check
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.common.errors import VpsopsError

TITLE: Final = "New server"
TOO_LATE: Final = frozenset({"expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id"})

logger = structlog.get_logger(__name__)


async def open_create(ctx: BotContext, requester: Requester, trigger: str, typed: OpenCreate) -> None:
    """Open the form at once (a trigger lives three seconds), then draw the catalogue into it."""
    values = {**typed.values, **({"reason": typed.reason} if typed.reason else {})}
    try:
        handle = await ctx.slack.open_view(trigger, busy_view(TITLE, "Reading plans, systems and regions …"))
    except SlackError as error:
        logger.info("form_not_opened", error=str(error))
        words = "The form could not be opened in time." if error.code in TOO_LATE else "Slack did not open the form."
        await ctx.slack.reply(requester.where, note(words, "Ask for it again."))
        return
    await show(
        ctx,
        handle,
        await _create_form(ctx, requester, CreateDraft(values, requester.where.channel, thread=requester.thread)),
    )


async def redraw_create(ctx: BotContext, requester: Requester, view: ViewPayload) -> None:
    """Draw the price of the plan just chosen; what is filled in meanwhile stays as it is."""
    stock = await catalogue(ctx, requester)
    draft = draft_of(view, stock)
    await show(ctx, ViewHandle(view.id, view.hash), create_view(stock, draft))


def draft_of(view: ViewPayload, stock: OrderOptions) -> CreateDraft:
    """Read a form back into what can be drawn again."""
    values = read_values(view.state.values)
    menus: dict[str, str] = {name: stock.decode(name, values[name]) for name in MENUS if name in values}
    target = target_in(metadata_of(view), "")
    return CreateDraft(values | menus, target.channel, thread=target.thread)


async def open_deny(ctx: BotContext, requester: Requester, trigger: str, change: Change, digest: str) -> None:
    """Open the form for the reason of a denial; a user who may not vote is refused before it opens."""
    if change.state is not State.HELD:
        raise stale(change)
    if requester.actor.same_human(change.actor):
        check(change, requester.actor)
    metadata = {**_form_metadata(requester, change, digest), "v": Verdict.DENY.value}
    await _open(ctx, requester, trigger, deny_view(change, metadata))


async def open_override(ctx: BotContext, requester: Requester, trigger: str, change: Change, digest: str) -> None:
    """Open the form in which the asker runs a change without approval; others are refused before it opens."""
    if change.state is not State.HELD:
        raise stale(change)
    if not is_overridable(change) or not requester.actor.same_human(change.actor):
        check_overrider(change, requester.actor)
    await _open(ctx, requester, trigger, override_view(change, _form_metadata(requester, change, digest)))


async def open_review(ctx: BotContext, requester: Requester, trigger: str, change: Change, digest: str) -> None:
    """Open the form in which another person closes a review; its asker is refused before it opens."""
    if change.override is None or requester.actor.same_human(change.actor):
        check_reviewer(change, requester.actor)
    if change.override is not None and change.override.reviewed_at is not None:
        raise closed_already(change.id)
    await _open(ctx, requester, trigger, review_view(change, _form_metadata(requester, change, digest)))


def _form_metadata(requester: Requester, change: Change, digest: str) -> Mapping[str, Any]:
    return {"c": change.id, "d": digest, **requester.way_back}


async def _open(ctx: BotContext, requester: Requester, trigger: str, view: Block) -> None:
    try:
        await ctx.slack.open_view(trigger, view)
    except SlackError as error:
        logger.info("form_not_opened", error=str(error))
        await ctx.slack.reply(requester.where, note("The form could not be opened in time.", "Press the button again."))


async def show(ctx: BotContext, handle: ViewHandle, view: Block) -> bool:
    """Redraw a form; one that was closed or submitted is left as it is."""
    try:
        await ctx.slack.update_view(handle, view)
    except SlackError as error:
        logger.info("form_not_redrawn", error=str(error))
        return False
    return True


async def _create_form(ctx: BotContext, requester: Requester, draft: CreateDraft) -> Block:
    try:
        stock = await catalogue(ctx, requester)
    except VpsopsError as error:
        wrong = f"{error} ({error.error_id}) The lists below fill as soon as the provider answers again."
        return create_view(OrderOptions(), replace(draft, wrong=wrong))
    lacking = missing_offers(stock)
    if lacking:
        return busy_view(TITLE, f"The provider offers no {lacking}, so no server can be made here.")
    return create_view(stock, draft)
