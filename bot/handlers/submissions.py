"""What a form does once it is sent, stored and acknowledged. Until then it shows that it is being worked on."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from vpsops.bot.blocks.elements import Block
from vpsops.bot.blocks.labels import change_title
from vpsops.bot.context.bot_context import BotContext, Requester, catalogue, submit
from vpsops.bot.features.approvals import IN_SLACK, named, noted
from vpsops.bot.features.modals import draft_of, show
from vpsops.bot.features.operations import card_words
from vpsops.bot.features.validation import keys_of
from vpsops.bot.features.votes import cast
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.payloads import ViewPayload, ViewSubmission
from vpsops.bot.slack_api.client import ReplyTarget, ViewHandle
from vpsops.bot.views.modals import CreateDraft, OrderOptions, busy_view, create_view, metadata_of, typed_name
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.requests import Refused
from vpsops.core.common.errors import VpsopsError
from vpsops.core.messaging.inbox import InboxDelivery
from vpsops.core.policy.decision import Decision

Act = Callable[[BotContext, Requester, ViewPayload], Awaitable[None]]
TITLES: Final = {action_ids.DENY_FORM: "Deny", action_ids.NAME_FORM: "Agree", action_ids.NOTE_FORM: "Approve"}


async def on_submission(ctx: BotContext, delivery: InboxDelivery) -> None:
    """Do what the form says, for whoever sent it."""
    submission = ViewSubmission.model_validate(delivery.payload)
    act = ACTS.get(submission.view.callback_id)
    if act is not None:
        await act(ctx, asking_of(submission, delivery.key), submission.view)


def asking_of(submission: ViewSubmission, key: str) -> Requester:
    """Return who sent a form, and the channel it was opened from."""
    user = submission.user
    team = submission.team.id if submission.team else user.team_id
    channel = str(metadata_of(submission.view.model_dump()).get("ch", "")) or user.id
    return Requester(user.id, user.username or user.name, team, ReplyTarget(user.id, channel), key)


async def _create(ctx: BotContext, requester: Requester, view: ViewPayload) -> None:
    try:
        stock = await catalogue(ctx, requester)
    except VpsopsError as error:
        await close_with(ctx, requester, view, f"{error.message} {error.hint} Nothing was made. ({error.error_id})")
        return
    draft = draft_of(view, stock)
    try:
        await _make(ctx, requester, view, draft)
    except VpsopsError as error:
        await _again(ctx, requester, view, stock, draft, str(error))


async def _make(ctx: BotContext, requester: Requester, view: ViewPayload, draft: CreateDraft) -> None:
    outcome = await submit(ctx, requester, "create", arguments_of(draft.values), draft.values.get("reason", ""))
    if isinstance(outcome, Refused):
        await close_with(ctx, requester, view, f"{outcome.reason} {outcome.hint} {outcome.error_id}")
        return
    change = outcome.change
    if change is not None:
        change = await _confirm_if_shown(ctx, requester, change, str(metadata_of(view.model_dump()).get("price", "")))
        where, hint = await card_words(ctx, requester, change)
        await close_with(ctx, requester, view, f"{_told(change)} {where} {hint}")


async def _confirm_if_shown(ctx: BotContext, requester: Requester, change: Change, price: str) -> Change:
    """The form showed the server, its effect and its price, and its button said "Create server".

    So sending it is the confirmation, if the price that was shown is the one that holds now; otherwise the card asks.
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
    return {**arguments, "ssh_keys": list(keys)} if keys else arguments


def _told(change: Change) -> str:
    if change.state is State.HELD:
        return f"{change.target.hostname} waits for an answer on its card."
    if change.state.final:  # the policy got stricter between the form and its confirmation
        return change.note
    return f"{change.target.hostname} is being made."


async def close_with(ctx: BotContext, requester: Requester, view: ViewPayload, words: str) -> None:
    """End on a last word in the form; where the form is gone, in the channel, for the person alone."""
    title = TITLES.get(view.callback_id, "New server")
    if not await show(ctx, ViewHandle(view.id, ""), busy_view(title, words)):
        await ctx.slack.reply(requester.where, note(words))


async def _again(  # noqa: PLR0913 - the form and what goes back into it
    ctx: BotContext, requester: Requester, view: ViewPayload, stock: OrderOptions, draft: CreateDraft, wrong: str
) -> None:
    form: Block = create_view(stock, CreateDraft(draft.values, draft.channel, wrong))
    if not await show(ctx, ViewHandle(view.id, ""), form):
        await close_with(ctx, requester, view, wrong)


async def _deny(ctx: BotContext, requester: Requester, view: ViewPayload) -> None:
    metadata = metadata_of(view.model_dump())
    try:
        change = await ctx.core.changes.get(str(metadata.get("c", "")), scope=ctx.core.scope)
        await cast(ctx, requester, change, Verdict.DENY, str(metadata.get("d", "")), _reason(view))
    except VpsopsError as error:
        await close_with(ctx, requester, view, f"{error} ({error.error_id})")
        return
    await close_with(ctx, requester, view, "It was denied. The asker reads your reason on the card.")


def _reason(view: ViewPayload) -> str:
    return str(view.state.values.get("reason", {}).get("reason", {}).get("value") or "")


async def _noted(ctx: BotContext, requester: Requester, view: ViewPayload) -> None:
    try:
        change = await noted(ctx, requester, metadata_of(view.model_dump()), _reason(view))
    except VpsopsError as error:
        await close_with(ctx, requester, view, f"{error} ({error.error_id})")
        return
    await close_with(ctx, requester, view, f"{change_title(change)}. Your note is on its card.")


async def _named(ctx: BotContext, requester: Requester, view: ViewPayload) -> None:
    typed = typed_name(view.state.values)
    try:
        change = await named(ctx, requester, metadata_of(view.model_dump()), typed, _reason(view))
    except VpsopsError as error:
        await close_with(ctx, requester, view, f"{error} ({error.error_id})")
        return
    await close_with(ctx, requester, view, f"{change_title(change)}. Its card follows it.")


ACTS: Final[Mapping[str, Act]] = {
    action_ids.CREATE_FORM: _create,
    action_ids.DENY_FORM: _deny,
    action_ids.NAME_FORM: _named,
    action_ids.NOTE_FORM: _noted,
}
