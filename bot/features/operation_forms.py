"""Opens the form of an operation where arguments are missing, loads its menus, and asks for what was filled in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
from pydantic import ValidationError

from vpsops.bot.blocks.elements import Block
from vpsops.bot.blocks.labels import action_verb
from vpsops.bot.context.bot_context import BotContext, read
from vpsops.bot.features.modals import show
from vpsops.bot.features.operations import OperationRequest, carry_out, error_post, run
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.messages.ephemeral import error_note, note
from vpsops.bot.protocol.command_catalog import SLASH, has_form, lacks_arguments, word_for
from vpsops.bot.protocol.payloads import BlockSuggestion, ViewPayload
from vpsops.bot.slack_api.client import SlackError, ViewHandle
from vpsops.bot.views.modals import busy_view, metadata_of
from vpsops.bot.views.operation_form import (
    REASON,
    ArgumentMenus,
    OperationDraft,
    asked_arguments,
    choice_options,
    form_values,
    operation_form,
)
from vpsops.bot.views.shortcuts import outcome_view
from vpsops.core.common.errors import InvalidInputError, PreconditionError, StorageError, VpsopsError
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.arguments import problem_text
from vpsops.core.operations.strategies import Choice
from vpsops.core.operations.traits import lister_of
from vpsops.core.wayscloud.answers.models import Server

logger = structlog.get_logger(__name__)


async def run_or_ask(ctx: BotContext, requester: Requester, request: OperationRequest, trigger: str) -> None:
    """Run an operation, or open the form that asks for the arguments that are missing."""
    operation = OPERATIONS.get(request.operation)
    if operation is None or not lacks_arguments(operation, request.arguments):
        await run(ctx, requester, request)
        return
    title, metadata = action_verb(request.operation)[:24], requester.way_back
    try:
        handle = await ctx.slack.open_view(trigger, busy_view(title, "Reading the server …", metadata))
    except SlackError as error:
        logger.info("form_not_opened", error=str(error))
        hint = f"{SLASH} help {word_for(request.operation)} shows how to type it in full."
        await ctx.slack.reply(requester.where, note("The form could not be opened in time.", hint))
        return
    await show(ctx, handle, await form_for(ctx, requester, request))


async def form_for(ctx: BotContext, requester: Requester, request: OperationRequest) -> Block:
    """Return the form of an operation with the menus of its server, or why there is none; raises `StorageError`."""
    draft = _draft(requester, request)
    try:
        return await _form(ctx, requester, draft)
    except StorageError:
        raise
    except VpsopsError as error:
        post = await error_post(ctx, requester, request, error)
        return outcome_view(post, draft.way_back, action_verb(request.operation))


def _draft(requester: Requester, request: OperationRequest) -> OperationDraft:
    channel, thread = requester.where.channel, requester.thread
    return OperationDraft(request.operation, request.arguments, request.reason, channel, thread=thread)


async def _form(ctx: BotContext, requester: Requester, draft: OperationDraft) -> Block:
    operation = OPERATIONS[draft.operation]
    server: Server = await read(ctx, requester, "get", {"server": draft.values["server"]})
    draft = replace(draft, values={**draft.values, "server": server.id})
    menus = await _menus(ctx, requester, operation, server)
    required = {argument.name: argument for argument in asked_arguments(operation) if argument.required}
    for name, choices in menus.choices.items():
        if not choices and name in required:
            words = f"{server.hostname} has no {required[name].spec.label.lower()} to choose. {menus.lacking}"
            return outcome_view(note(words.strip()), draft.way_back, action_verb(draft.operation))
    return operation_form(draft, server, menus)


async def _menus(ctx: BotContext, requester: Requester, operation: Operation, server: Server) -> ArgumentMenus:
    """Read the values of the arguments that something lists."""
    choices: dict[str, Sequence[Choice]] = {}
    lacking = ""
    for argument in asked_arguments(operation):
        lister = lister_of(argument.spec.kind)
        if lister is not None:
            result = await read(ctx, requester, lister.name, _on_server(lister, server.id))
            choices[argument.name] = lister.choices(result)
            lacking = str(getattr(result, "lacking", None) or lacking)
    return ArgumentMenus(choices, lacking)


def _on_server(lister: Operation, server: object) -> Mapping[str, Any]:
    return {"server": server} if lister.takes_server else {}


async def argument_options(ctx: BotContext, requester: Requester, suggestion: BlockSuggestion) -> list[Block]:
    """Return the options of a form's menu that fit what is typed; raises what the read raises."""
    request = request_in(suggestion.view) if suggestion.view is not None else None
    name = suggestion.action_id.rpartition(":")[2]
    if request is None:
        return []
    for argument in asked_arguments(OPERATIONS[request.operation]):
        lister = lister_of(argument.spec.kind)
        if argument.name == name and lister is not None:
            result = await read(ctx, requester, lister.name, _on_server(lister, request.arguments.get("server")))
            return choice_options(lister.choices(result), suggestion.value)
    return []


def request_in(view: ViewPayload) -> OperationRequest | None:
    """Return what a form asks for: what it was opened with, and what is filled in."""
    metadata, entered = metadata_of(view), form_values(view.state.values)
    name, kept = metadata.get("op"), metadata.get("args")
    operation = OPERATIONS.get(name) if isinstance(name, str) else None
    if operation is None or not isinstance(kept, dict) or not has_form(operation):
        return None
    asked = {argument.name: argument for argument in asked_arguments(operation)}
    arguments = {name: value for name, value in kept.items() if name not in asked}
    for name, argument in asked.items():
        if name in entered:
            arguments[name] = entered[name].split() if argument.many else entered[name]
    return OperationRequest(operation.name, arguments, entered.get(REASON, ""), replace=True)


def form_errors(view: ViewPayload) -> Mapping[str, str]:
    """Return what is wrong with a form, by its fields, without a read."""
    request = request_in(view)
    if request is None:
        return {}
    operation = OPERATIONS[request.operation]
    try:
        operation.arguments.model_validate(dict(request.arguments))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        asked = {argument.name for argument in asked_arguments(operation)}
        first = next(iter(asked_arguments(operation))).name
        fields = {str(each["loc"][0]) if each["loc"] else "": problem_text(each) for each in wrong}
        return {name if name in asked else first: words for name, words in fields.items()}
    return {}


async def submit_form(ctx: BotContext, requester: Requester, view: ViewPayload) -> None:
    """Ask the gate for what a form holds, and show in it what came of it; what can be corrected is, in the form."""
    request = request_in(view)
    if request is None:
        drawn = busy_view("Not done", "This form is from another version of me. Nothing was done.")
        await show(ctx, ViewHandle(view.id, ""), drawn)
        return
    try:
        post = await carry_out(ctx, requester, request) or note("Done.")
    except PreconditionError as error:
        post = await error_post(ctx, requester, request, error)
    except InvalidInputError as error:
        await _redraw(ctx, requester, view, replace(_draft(requester, request), problem=str(error)))
        return
    except VpsopsError as error:
        post = error_note(error)
    drawn = outcome_view(post, requester.way_back, action_verb(request.operation))
    if not await show(ctx, ViewHandle(view.id, ""), drawn):
        await ctx.slack.reply(requester.where, post)


async def _redraw(ctx: BotContext, requester: Requester, view: ViewPayload, draft: OperationDraft) -> None:
    """Show the form again with what is wrong; all values stay. One that was closed is answered in the channel."""
    try:
        drawn = await _form(ctx, requester, draft)
    except VpsopsError as error:
        drawn = outcome_view(error_note(error), draft.way_back, action_verb(draft.operation))
    if not await show(ctx, ViewHandle(view.id, ""), drawn):
        await ctx.slack.reply(requester.where, note(draft.problem))
