"""Handles messages to the app: a mention in a channel, or the same words in a direct message, are a command."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel

from vpsops.bot.blocks.elements import Post
from vpsops.bot.commands.parser import UnclearCommand, parse_command
from vpsops.bot.commands.vocabulary import names_command, with_change, with_server
from vpsops.bot.context.bot_context import BotContext
from vpsops.bot.context.threads import server_of, subject_of
from vpsops.bot.handlers.commands import Typed, obey
from vpsops.bot.ingress.interaction import Interaction, Requester
from vpsops.bot.messages.ephemeral import command_suggestions, note
from vpsops.bot.protocol.chat_messages import command_text
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.bot.protocol.payloads import ChatMessage
from vpsops.bot.slack_api.client import ReplyTarget
from vpsops.bot.workspaces.membership import MembershipUnreadableError
from vpsops.core.common import timings

EXAMPLE: Final = f"A message is a command if it begins with one, and mentions no one but me. {SLASH} help lists them."


async def handle_message(ctx: BotContext, message: Interaction[ChatMessage]) -> None:
    """Execute the command in a message; any other message gets a hint now and then."""
    requester = replace(message.requester, name=ctx.membership.admitted_name(message.requester.user))
    text = command_text(message.payload, await _bot_user(ctx))
    if text is not None and names_command(text):
        await obey(ctx, requester, Typed(await _completed(ctx, requester, text)))
    elif _may_hint(ctx, requester):
        await ctx.slack.reply(requester.where, _hint(text))


def requester_from(payload: ChatMessage, key: str) -> Requester:
    """Return who wrote a message, and where; answers go to its thread."""
    where = ReplyTarget(payload.user_id, payload.channel_id, thread=payload.thread_ts)
    return Requester(payload.user_id, "", payload.team_id, where, key, payload.thread_ts)


def done_at(payload: BaseModel, received_at: datetime) -> datetime:
    """Return when a person did something: a message may be delivered long after it was written."""
    if not isinstance(payload, ChatMessage):
        return received_at
    return min(received_at, datetime.fromtimestamp(float(payload.ts), UTC))


async def _completed(ctx: BotContext, requester: Requester, text: str) -> str:
    """Return a command with what its thread is about, where it names nothing, and say so.

    Raises `InvalidInputError` if the thread's server is gone.
    """
    subject = await subject_of(ctx, requester)
    verdict = with_change(text, subject.change) if subject.change else None
    if verdict is not None:
        return verdict
    whole = with_server(text, subject.server) if subject.server else None
    server = await server_of(ctx, requester, subject.server) if whole is not None else None
    if server is None or whole is None:
        return text
    await ctx.slack.reply(requester.where, note(f"You named no server, so the thread's is meant: {server.hostname}."))
    return whole


async def _bot_user(ctx: BotContext) -> str:
    """Return the app's own account; "" while Slack does not answer."""
    try:
        return (await ctx.membership.tenant()).user
    except MembershipUnreadableError:
        return ""


def _may_hint(ctx: BotContext, requester: Requester) -> bool:
    """Return whether a person may get another hint, and count it."""
    person, now = (requester.team, requester.user), ctx.core.clock.monotonic()
    last = ctx.hinted.get(person)
    if last is not None and now - last < timings.HINT_SECONDS:
        return False
    ctx.hinted[person] = now
    return True


def _hint(text: str | None) -> Post:
    """Say what a command is, with the commands that are near the words."""
    command = parse_command(text) if text else None
    if isinstance(command, UnclearCommand):
        return command_suggestions("Nothing was run.", EXAMPLE, command.near)
    return note("Nothing was run.", EXAMPLE)
