"""Handles slash commands."""

from dataclasses import dataclass
from typing import Final

from vpsops.bot.blocks.elements import Post
from vpsops.bot.commands.grant_parser import AskGrant
from vpsops.bot.commands.parser import (
    CancelChange,
    Command,
    ManageSubscriptions,
    OpenCreate,
    OpenForm,
    OpenOverride,
    PauseAgents,
    ResumeAgents,
    RunOperation,
    ShowAudit,
    ShowCard,
    ShowChanges,
    ShowHelp,
    ShowReport,
    UnclearCommand,
    parse_command,
)
from vpsops.bot.commands.plan_parser import RunPlan
from vpsops.bot.commands.runbook_parser import RunRunbook
from vpsops.bot.commands.time_parser import KeepServer, WatchServer
from vpsops.bot.context.bot_context import BotContext, known_actor, readable_ends
from vpsops.bot.features.modals import open_create, open_override
from vpsops.bot.features.notify import notify
from vpsops.bot.features.operation_forms import run_or_ask
from vpsops.bot.features.operations import OperationRequest, hold, run
from vpsops.bot.features.pause import pause, paused_note, switched_note
from vpsops.bot.features.permissions import right_words
from vpsops.bot.features.votes import keep_server, withdraw
from vpsops.bot.handlers.history import Showing, card_post, show
from vpsops.bot.handlers.watches import watch
from vpsops.bot.ingress.interaction import Interaction, Requester
from vpsops.bot.messages.ephemeral import command_suggestions, note
from vpsops.bot.messages.help import help_page
from vpsops.bot.messages.lists import PageQuery
from vpsops.bot.protocol.payloads import SlashCommand
from vpsops.bot.slack_api.client import ReplyTarget
from vpsops.bot.views.end_blocks import ends_post, kept_post
from vpsops.bot.views.grant_blocks import grants_post
from vpsops.bot.views.runbook_blocks import runbooks_post
from vpsops.bot.workspaces.approver_directory import ApproverDirectory
from vpsops.core.identity.actors import union_of


@dataclass(frozen=True, slots=True)
class Typed:
    """A command as it was typed, the trigger it came with, and whether the answer goes over the message clicked on."""

    text: str
    trigger: str = ""
    replace: bool = False


async def handle_command(ctx: BotContext, command: Interaction[SlashCommand]) -> None:
    """Parse the text of a slash command and execute it; answers are private."""
    await obey(ctx, command.requester, Typed(command.payload.text, command.payload.trigger_id))


def requester_from(payload: SlashCommand, key: str) -> Requester:
    """Return who typed a command, and where."""
    where = ReplyTarget(payload.user_id, payload.channel_id, payload.response_url)
    return Requester(payload.user_id, payload.user_name, payload.team_id, where, key)


SHORT_LISTS: Final = (ShowChanges("grants"), ShowChanges("ends"), ShowChanges("runbooks"))
"""Lists that have no pages."""


async def obey(ctx: BotContext, requester: Requester, typed: Typed) -> None:
    """Execute the command text. Propagates handler errors."""
    command = parse_command(typed.text)
    match command:
        case OpenForm() | OpenCreate() | OpenOverride() if not typed.trigger:
            post = command_suggestions("A message cannot open a form.", "The button opens it.", [typed.text.strip()])
            await ctx.slack.reply(requester.where, post)
        case RunOperation():
            request = OperationRequest(
                command.operation, command.arguments, command.reason, typed.replace, later=command.later
            )
            await run(ctx, requester, request)
        case RunPlan() | AskGrant() | RunRunbook():
            await hold(ctx, requester, command)
        case OpenForm():
            request = OperationRequest(command.operation, command.arguments, command.reason, typed.replace)
            await run_or_ask(ctx, requester, request, typed.trigger)
        case OpenCreate():
            await open_create(ctx, requester, typed.trigger, command)
        case OpenOverride():
            change = await ctx.core.changes.get(command.change, scope=ctx.core.scope)
            await open_override(ctx, requester, typed.trigger, change, change.digest)
        case ShowChanges() | ShowAudit() | ShowReport() if command not in SHORT_LISTS:
            await show(ctx, requester, viewed(command), Showing(replace=typed.replace))
        case _:
            await ctx.slack.reply(requester.where, await answer(ctx, requester, command), replace=typed.replace)


def viewed(command: ShowChanges | ShowAudit | ShowReport) -> PageQuery:
    """Return the view a command asks for."""
    match command:
        case ShowChanges(scope="reviews"):
            return PageQuery("reviews", {})
        case ShowChanges():
            return PageQuery("changes", {"scope": command.scope, "server": command.server})
        case ShowAudit():
            return PageQuery("audit", {"server": command.server, "person": command.person, "change": command.change})
        case ShowReport():
            return PageQuery("report", {"label": command.label} if command.label else {})


async def answer(ctx: BotContext, requester: Requester, command: Command) -> Post:
    """Do what needs no page of its own, and return what to say of it."""
    match command:
        case ShowHelp():
            return await _help(ctx, requester, command.topic)
        case ShowCard():
            return await card_post(ctx, requester, command)
        case CancelChange():
            change = await withdraw(
                ctx, requester, await ctx.core.changes.get(command.change, scope=ctx.core.scope), command.reason
            )
            return note(f"{change.id} is withdrawn and will not run.")
        case ShowChanges():
            return await _short_list(ctx, requester, command)
        case PauseAgents():
            return switched_note(await pause(ctx, requester, command.reason))
        case ResumeAgents():
            return await paused_note(ctx, command.reason)
        case UnclearCommand():
            return command_suggestions(command.message, command.hint, command.near)
        case _:
            return await _subscribe(ctx, requester, command)


async def _short_list(ctx: BotContext, requester: Requester, command: ShowChanges) -> Post:
    if command.scope == "ends":
        return ends_post(await readable_ends(ctx, requester))
    if command.scope == "runbooks":
        return runbooks_post(await ctx.core.runbooks.list_all(scope=ctx.core.scope))
    return grants_post(await ctx.core.grants.list_open(scope=ctx.core.scope), ctx.core.clock.now())


async def _subscribe(ctx: BotContext, requester: Requester, command: Command) -> Post:
    match command:
        case KeepServer():
            return kept_post(await keep_server(ctx, requester, command))
        case WatchServer():
            return await watch(ctx, requester, command)
        case ManageSubscriptions():
            return await notify(ctx, requester, command.words)
        case _:
            return note("Nothing was done.")


async def _help(ctx: BotContext, requester: Requester, topic: str) -> Post:
    """Say what there is and, for each operation, what this person may do from here."""
    actor = await known_actor(ctx, requester)
    results = ctx.core.policy.rights(actor, requester.origin.front)
    directory = ApproverDirectory(ctx.slack, ctx.membership, ctx.core.clock)
    labels = await directory.labels(union_of([right.ruling.approvers for right in results.values()]))
    await ctx.core.offers.refresh()
    words = {name: right_words(value, labels) for name, value in results.items()}
    return help_page(topic, words | ctx.core.offers.reasons)
