"""Handles forms that were sent. Until then they show that they are being worked on."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from vpsops.bot.blocks.elements import Block
from vpsops.bot.blocks.labels import change_title
from vpsops.bot.context.bot_context import BotContext, catalogue
from vpsops.bot.features.approvals import IN_SLACK, granted, named, noted
from vpsops.bot.features.modals import draft_of, show
from vpsops.bot.features.operation_forms import submit_form
from vpsops.bot.features.operations import OperationRequest, card_words, submit_change
from vpsops.bot.features.validation import keys_of
from vpsops.bot.features.votes import Overriding, Spoken, cast, override, review
from vpsops.bot.ingress.interaction import Interaction, Requester, target_in
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.bot.protocol.payloads import ViewPayload, ViewSubmission
from vpsops.bot.slack_api.client import ViewHandle
from vpsops.bot.views.break_glass import OVERRIDE_TITLE, REVIEW_TITLE
from vpsops.bot.views.grant_blocks import wish_from
from vpsops.bot.views.modals import (
    CreateDraft,
    OrderOptions,
    busy_view,
    create_view,
    entered_text,
    metadata_of,
    typed_name,
)
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.requests import Refused
from vpsops.core.common.errors import VpsopsError
from vpsops.core.grants.model import common_extent
from vpsops.core.policy.decision import Decision

Form = Interaction[ViewSubmission]
Act = Callable[[BotContext, Form], Awaitable[None]]
TITLES: Final = {
    action_ids.DENY_FORM: "Deny",
    action_ids.NAME_FORM: "Agree",
    action_ids.NOTE_FORM: "Approve",
    action_ids.OVERRIDE_FORM: OVERRIDE_TITLE,
    action_ids.REVIEW_FORM: REVIEW_TITLE,
    action_ids.GRANT_FORM: "Approve and allow",
}


async def handle_submission(ctx: BotContext, form: Form) -> None:
    """Do what the form asks for."""
    act = ACTS.get(form.payload.view.callback_id)
    if act is not None:
        await act(ctx, form)


def requester_from(payload: ViewSubmission, key: str) -> Requester:
    """Return who sent a form, and the channel and thread it was opened from."""
    user = payload.user
    team = payload.team.id if payload.team else user.team_id
    where = target_in(metadata_of(payload.view), user.id)
    return Requester(user.id, user.username or user.name, team, where, key, where.thread)


async def _create(ctx: BotContext, form: Form) -> None:
    try:
        stock = await catalogue(ctx, form.requester)
    except VpsopsError as error:
        await _close(ctx, form, f"{error.message} {error.hint} Nothing was made. ({error.error_id})")
        return
    draft = draft_of(form.payload.view, stock)
    try:
        await _submit_create(ctx, form, draft)
    except VpsopsError as error:
        await _reopen(ctx, form, stock, draft, str(error))


async def _submit_create(ctx: BotContext, form: Form, draft: CreateDraft) -> None:
    requester = form.requester
    outcome = await submit_change(
        ctx, requester, OperationRequest("create", arguments_of(draft.values), draft.values.get("reason", ""))
    )
    if isinstance(outcome, Refused):
        await _close(ctx, form, f"{outcome.reason} {outcome.hint} {outcome.error_id}")
        return
    change = outcome.change
    if change is not None:
        change = await _confirm_if_shown(ctx, requester, change, str(form.value.get("price", "")))
        where, hint = await card_words(ctx, requester, change)
        await _close(ctx, form, f"{_state_words(change)} {where} {hint}")


async def _confirm_if_shown(ctx: BotContext, requester: Requester, change: Change, price: str) -> Change:
    """Take sending the form as the confirmation, if the price that it showed is the one that holds now.

    The form showed the server, its effect and its price, and its button said "Create server"; otherwise the card asks.
    """
    held = change.state is State.HELD and change.ruling.decision is Decision.CONFIRM
    if held and price and price == change.cost:
        return await ctx.core.gate.confirm(
            change.id, requester.actor, change.digest, evidence=IN_SLACK, scope=ctx.core.scope
        )
    return change


def arguments_of(values: Mapping[str, str]) -> Mapping[str, object]:
    """Return what the operation takes."""
    arguments: dict[str, object] = {name: values[name] for name in ("hostname", "plan", "region", "os_template")}
    keys = keys_of(values.get("ssh_keys", ""))
    lifetime = {"lifetime": values["lifetime"]} if values.get("lifetime") else {}
    return {**arguments, **lifetime, **({"ssh_keys": list(keys)} if keys else {})}


def _state_words(change: Change) -> str:
    if change.state is State.HELD:
        return f"{change.target.hostname} waits for an answer on its card."
    if change.state.final:  # the policy got stricter between the form and its confirmation
        return change.note
    return f"{change.target.hostname} is being made."


async def close_with(ctx: BotContext, requester: Requester, view: ViewPayload, words: str) -> None:
    """Replace a form by a last message; if it is closed already, answer in the channel in private."""
    title = TITLES.get(view.callback_id, "New server")
    if not await show(ctx, ViewHandle(view.id, ""), busy_view(title, words)):
        await ctx.slack.reply(requester.where, note(words))


async def _close(ctx: BotContext, form: Form, words: str) -> None:
    await close_with(ctx, form.requester, form.payload.view, words)


async def _reopen(ctx: BotContext, form: Form, stock: OrderOptions, draft: CreateDraft, problem: str) -> None:
    view: Block = create_view(stock, replace(draft, wrong=problem))
    if not await show(ctx, ViewHandle(form.payload.view.id, ""), view):
        await _close(ctx, form, problem)


async def _deny(ctx: BotContext, form: Form) -> None:
    async def deny() -> str:
        change = await ctx.core.changes.get(form.change_id, scope=ctx.core.scope)
        await cast(ctx, form.requester, change, Verdict.DENY, form.digest, Spoken(_reason(form)))
        return "It was denied. The asker reads your reason on the card."

    await _close_with_outcome(ctx, form, deny)


async def _approve_with_note(ctx: BotContext, form: Form) -> None:
    async def approve() -> str:
        return f"{change_title(await noted(ctx, form, _reason(form)))}. Your note is on its card."

    await _close_with_outcome(ctx, form, approve)


async def _approve_with_grant(ctx: BotContext, form: Form) -> None:
    async def approve() -> str:
        change = await granted(ctx, form, wish_from(form.payload.view.state.values))
        return f"{change_title(change)}. {_grant_words(change)}"

    await _close_with_outcome(ctx, form, approve)


def _grant_words(change: Change) -> str:
    if change.state is State.HELD:
        return "The grant opens with the last vote, if every vote asks for one."
    if change.state in {State.SUPERSEDED, State.DENIED}:
        return change.note
    if common_extent(change) is None:
        return "No grant opened: another vote approved this change alone."
    return f"{SLASH} grants shows what this agent may do now."


async def _agree_by_name(ctx: BotContext, form: Form) -> None:
    async def agree() -> str:
        typed = typed_name(form.payload.view.state.values)
        return f"{change_title(await named(ctx, form, typed, _reason(form)))}. Its card follows it."

    await _close_with_outcome(ctx, form, agree)


async def _override(ctx: BotContext, form: Form) -> None:
    async def run_without_approval() -> str:
        typed = typed_name(form.payload.view.state.values)
        change = await override(ctx, form.requester, Overriding(form.change_id, form.digest, _reason(form), typed))
        return f"{change_title(change)}. Those who may approve it are notified, and its review is open."

    await _close_with_outcome(ctx, form, run_without_approval)


async def _review(ctx: BotContext, form: Form) -> None:
    async def close_review() -> str:
        change = await ctx.core.changes.get(form.change_id, scope=ctx.core.scope)
        await review(ctx, form.requester, change, _reason(form))
        return "The review is closed. Your note is on the card and in the audit trail."

    await _close_with_outcome(ctx, form, close_review)


async def _close_with_outcome(ctx: BotContext, form: Form, decide: Callable[[], Awaitable[str]]) -> None:
    """Decide about a change, and show in the form what came of it."""
    try:
        words = await decide()
    except VpsopsError as error:
        words = f"{error} ({error.error_id})"
    await _close(ctx, form, words)


async def _operate(ctx: BotContext, form: Form) -> None:
    await submit_form(ctx, form.requester, form.payload.view)


def _reason(form: Form) -> str:
    return entered_text(form.payload.view.state.values, "reason")


ACTS: Final[Mapping[str, Act]] = {
    action_ids.CREATE_FORM: _create,
    action_ids.OPERATION_FORM: _operate,
    action_ids.DENY_FORM: _deny,
    action_ids.NAME_FORM: _agree_by_name,
    action_ids.NOTE_FORM: _approve_with_note,
    action_ids.OVERRIDE_FORM: _override,
    action_ids.REVIEW_FORM: _review,
    action_ids.GRANT_FORM: _approve_with_grant,
}
