"""Handles shortcuts: a form is opened at once, and filled afterwards."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from vpsops.bot.blocks.elements import Block
from vpsops.bot.commands.parser import OpenCreate
from vpsops.bot.commands.server_mentions import mentioned_servers, message_text
from vpsops.bot.context.bot_context import BotContext, request_of
from vpsops.bot.features.modals import open_create, show
from vpsops.bot.features.operation_forms import form_for
from vpsops.bot.features.operations import OperationRequest, outcome_post
from vpsops.bot.features.server_actions import offered_operations
from vpsops.bot.ingress.interaction import Interaction, Requester
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import lacks_arguments
from vpsops.bot.protocol.payloads import MessageContent, ShortcutPayload, ViewPayload
from vpsops.bot.slack_api.client import ReplyTarget, SlackError, ViewHandle
from vpsops.bot.views.modals import busy_view, encode_option, metadata_of
from vpsops.bot.views.shortcuts import SHOWN, TITLE, ServerChoice, act_view, outcome_view
from vpsops.core.common.errors import StorageError, VpsopsError
from vpsops.core.operations import OPERATIONS
from vpsops.core.wayscloud.answers.models import Server

NONE: Final = "No server of this account is named in that message. Choose one:"
GONE: Final = "That server is not there any more. Choose another:"
WHICH: Final = "Nothing is done before you confirm it on its card."

logger = structlog.get_logger(__name__)
Shortcut = Interaction[ShortcutPayload]
Act = Callable[[BotContext, Shortcut], Awaitable[None]]


async def handle_shortcut(ctx: BotContext, shortcut: Shortcut) -> None:
    """Do what the shortcut names."""
    act = ACTS.get(shortcut.payload.callback_id)
    if act is not None:
        await act(ctx, shortcut)
    else:
        answer = note("This shortcut is from another version of me. Nothing was done.")
        await ctx.slack.reply(shortcut.requester.where, answer)


def requester_from(payload: ShortcutPayload, key: str) -> Requester:
    """Return who used a shortcut; what came from no channel is answered in their direct messages."""
    user = payload.user
    channel = payload.channel.id if payload.channel else ""
    team = payload.team.id if payload.team else user.team_id
    where = ReplyTarget(user.id, channel or user.id, payload.response_url)
    return Requester(user.id, user.username or user.name, team, where, key)


async def _new_server(ctx: BotContext, shortcut: Shortcut) -> None:
    await open_create(ctx, shortcut.requester, shortcut.payload.trigger_id, OpenCreate())


async def _act_on(ctx: BotContext, shortcut: Shortcut) -> None:
    requester, payload = shortcut.requester, shortcut.payload
    metadata = requester.way_back
    try:
        handle = await ctx.slack.open_view(payload.trigger_id, busy_view(TITLE, "Looking for servers …", metadata))
    except SlackError as error:
        logger.info("form_not_opened", error=str(error))
        await ctx.slack.reply(requester.where, note("The form could not be opened in time.", "Use the shortcut again."))
        return
    await show(ctx, handle, await _choices(ctx, requester, payload.message or MessageContent(), metadata))


async def _choices(
    ctx: BotContext, requester: Requester, message: MessageContent, metadata: Mapping[str, Any]
) -> Block:
    try:
        servers = mentioned_servers(message_text(message), await _servers(ctx, requester))
        words = WHICH if servers else NONE
        may = await offered_operations(ctx, requester, servers[:SHOWN])
        return act_view(ServerChoice(servers, may, words), metadata)
    except StorageError:
        raise
    except VpsopsError as error:
        return act_view(ServerChoice(words=f"{error} ({error.error_id})"), metadata)


async def picked(ctx: BotContext, requester: Requester, view: ViewPayload, value: str) -> None:
    """Show what may be done with the server that was chosen from the menu."""
    drawn = await _actions_on(ctx, requester, metadata_of(view), value)
    await show(ctx, ViewHandle(view.id, view.hash), drawn)


async def _actions_on(ctx: BotContext, requester: Requester, metadata: Mapping[str, Any], value: str) -> Block:
    """Return the form with what may be done with the server of a menu's value; without one, to choose it."""
    try:
        servers = [server for server in await _servers(ctx, requester) if value and encode_option(server.id) == value][
            :1
        ]
        words = WHICH if servers else GONE if value else ""
        return act_view(ServerChoice(servers, await offered_operations(ctx, requester, servers), words), metadata)
    except StorageError:
        raise
    except VpsopsError as error:
        return act_view(ServerChoice(words=f"{error} ({error.error_id})"), metadata)


async def open_actions(ctx: BotContext, requester: Requester, trigger: str, server: str) -> None:
    """Open the form with all that may be done with a server; without one, to choose it."""
    metadata = requester.way_back
    try:
        handle = await ctx.slack.open_view(trigger, busy_view(TITLE, "Reading the server …", metadata))
    except SlackError as error:
        logger.info("form_not_opened", error=str(error))
        await ctx.slack.reply(requester.where, note("The form could not be opened in time.", "Press the button again."))
        return
    await show(ctx, handle, await _actions_on(ctx, requester, metadata, encode_option(server)))


async def act_on(ctx: BotContext, requester: Requester, view: ViewPayload, request: OperationRequest) -> None:
    """Ask the gate for what was pressed, and say in the form what came of it."""
    metadata, operation = metadata_of(view), OPERATIONS.get(request.operation)
    await show(ctx, ViewHandle(view.id, ""), busy_view(TITLE, "Asking …", metadata))
    if operation is not None and lacks_arguments(operation, request.arguments):
        await show(ctx, ViewHandle(view.id, ""), await form_for(ctx, requester, request))
        return
    post = await outcome_post(ctx, requester, request)
    drawn = outcome_view(post or note("Done."), metadata)
    if not await show(ctx, ViewHandle(view.id, ""), drawn):
        await ctx.slack.reply(requester.where, post or note("Done."))


async def _servers(ctx: BotContext, requester: Requester) -> Sequence[Server]:
    request = await request_of(ctx, requester, "list", {})
    return await ctx.core.servers.list_all(request, scope=ctx.core.scope)


ACTS: Final[Mapping[str, Act]] = {action_ids.NEW_SERVER: _new_server, action_ids.ACT_ON: _act_on}
