"""Answers menus that request their entries while a user types, within Slack's three seconds."""

from dataclasses import replace
from typing import Final

import anyio
import structlog

from vpsops.bot.blocks.elements import Block
from vpsops.bot.context.bot_context import BotContext, catalogue, request_of
from vpsops.bot.features.operation_forms import argument_options
from vpsops.bot.ingress.admission import admit
from vpsops.bot.ingress.interaction import Requester, claims_of
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.payloads import BlockSuggestion
from vpsops.bot.slack_api.client import ReplyTarget
from vpsops.bot.views.modals import MAX_OPTIONS, MENUS, menu_options
from vpsops.bot.views.shortcuts import server_options
from vpsops.core.common.errors import NotAllowedError, VpsopsError

SECONDS: Final = 2.0
"""Slack waits for three."""

logger = structlog.get_logger(__name__)


async def options_for(ctx: BotContext, suggestion: BlockSuggestion) -> list[Block]:
    """Return at most a hundred entries; none where the provider is down, for the form says so itself."""
    user = suggestion.user
    team = suggestion.team.id if suggestion.team else user.team_id
    requester = Requester(user.id, user.username or user.name, team, ReplyTarget(user.id), "")
    try:
        with anyio.move_on_after(SECONDS):
            claims = claims_of(suggestion)
            here = await ctx.at(claims.workspace)
            tenant = (await admit(here.membership, claims)).tenant
            return (await _offers(here, replace(requester, team=tenant.team), suggestion))[:MAX_OPTIONS]
    except NotAllowedError as error:
        logger.info("menu_options_unavailable", menu=suggestion.action_id, error=error.message, error_id=error.error_id)
        return []
    except VpsopsError as error:
        logger.info("menu_options_unavailable", menu=suggestion.action_id, error=error.message, error_id=error.error_id)
    stale = ctx.shelf.catalogue
    if suggestion.action_id in MENUS and stale.plans:  # what was on offer last: the price is read again
        return menu_options(stale, suggestion.action_id, suggestion.value)[:MAX_OPTIONS]
    return []


async def _offers(ctx: BotContext, requester: Requester, suggestion: BlockSuggestion) -> list[Block]:
    if suggestion.action_id in MENUS:
        return menu_options(await catalogue(ctx, requester), suggestion.action_id, suggestion.value)
    if action_ids.base_action_id(suggestion.action_id) == action_ids.ARGUMENT:
        return await argument_options(ctx, requester, suggestion)
    if suggestion.action_id == action_ids.PICK:
        listing, request = ctx.core.servers, await request_of(ctx, requester, "list", {})
        if not listing.may_read(request):
            return []
        servers = await ctx.homes.shelf.servers(ctx.core.clock, lambda: listing.list_all(request, scope=ctx.core.scope))
        return server_options(servers, suggestion.value)
    return []
