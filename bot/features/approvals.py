"""Saying yes to a change: at once, or where something is destroyed, after its name was typed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import structlog

from vpsops.bot.blocks.elements import Block
from vpsops.bot.context.bot_context import BotContext
from vpsops.bot.features.validation import same_name
from vpsops.bot.features.votes import Spoken, cast, check_names
from vpsops.bot.ingress.interaction import Interaction, Requester
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.slack_api.client import SlackError
from vpsops.bot.views.grant_blocks import grant_form
from vpsops.bot.views.modals import name_view, note_view
from vpsops.core.authorization.change_reader import stale
from vpsops.core.changes.approvals import SLACK_DIALOG, check_confirmer, check_not_asker
from vpsops.core.changes.model import Change, GrantWish, State, Verdict
from vpsops.core.common.errors import InvalidInputError, NotAllowedError
from vpsops.core.identity.actors import ActorKind
from vpsops.core.operations import Risk
from vpsops.core.operations.traits import risk_of, typed_name_of

logger = structlog.get_logger(__name__)
Draw = Callable[[Change, Mapping[str, Any]], Block]


IN_SLACK: Final = "confirmed in Slack by the asker's account"
IN_SLACK_FOR_AGENT: Final = "confirmed in Slack by the person the agent acts for"


class Yes(StrEnum):
    """The role of an approval: the requester's confirmation, or an approver's vote."""

    CONFIRM = "confirm"
    APPROVE = "approve"


@dataclass(frozen=True, slots=True)
class Agreed:
    """An approval of exactly what was shown."""

    change: Change
    digest: str
    yes: Yes
    note: str = ""
    grant: GrantWish | None = None


def destroys(operation: str) -> bool:
    """Say whether a run of an operation destroys something; of one that is not known, it does."""
    return risk_of(operation) is Risk.DESTRUCTIVE


async def agree(ctx: BotContext, requester: Requester, trigger: str, agreed: Agreed) -> None:
    """Take a yes, or ask for the server's name first; raises what the gate raises."""
    if not destroys(agreed.change.operation):
        await count(ctx, requester, agreed)
        return
    await _ask(ctx, requester, trigger, agreed, name_view)


async def agree_with_note(ctx: BotContext, requester: Requester, trigger: str, agreed: Agreed) -> None:
    """Ask for a note to go with a yes; where something is destroyed, beside the server's name."""
    await _ask(ctx, requester, trigger, agreed, name_view if destroys(agreed.change.operation) else note_view)


async def agree_with_grant(ctx: BotContext, requester: Requester, trigger: str, agreed: Agreed) -> None:
    """Ask for how long an approval is to last; raises `NotAllowedError` where the rule lets no one grant it."""
    if agreed.change.ruling.grant_terms is None:
        raise NotAllowedError("The rule lets no one grant this.", hint="Press Approve for this change alone.")
    await _ask(ctx, requester, trigger, agreed, grant_form)


async def granted(ctx: BotContext, form: Interaction[Any], wish: GrantWish) -> Change:
    """Take an approval that asks for a grant; raises what the gate raises."""
    change = await ctx.core.changes.get(form.change_id, scope=ctx.core.scope)
    return await count(ctx, form.requester, Agreed(change, form.digest, Yes.APPROVE, grant=wish))


async def noted(ctx: BotContext, form: Interaction[Any], note: str) -> Change:
    """Take an approval that came with a note; raises what the gate raises."""
    change = await ctx.core.changes.get(form.change_id, scope=ctx.core.scope)
    if destroys(change.operation):
        raise NotAllowedError("This needs the server's name to be typed.", hint="Press Approve on its card.")
    return await count(ctx, form.requester, Agreed(change, form.digest, Yes.APPROVE, note))


async def _ask(ctx: BotContext, requester: Requester, trigger: str, agreed: Agreed, draw: Draw) -> None:
    _may(requester, agreed)
    change = agreed.change
    metadata = {"c": change.id, "d": agreed.digest, **requester.way_back, "as": agreed.yes.value}
    try:
        await ctx.slack.open_view(trigger, draw(change, metadata))
    except SlackError as error:
        logger.info("form_not_opened", error=str(error))
        await ctx.slack.reply(requester.where, note("The form could not be opened in time.", "Press the button again."))


def _may(requester: Requester, agreed: Agreed) -> None:
    """Refuse a user who may not approve before the form opens; the gate decides again afterwards."""
    change = agreed.change
    if change.state is not State.HELD:
        raise stale(change)
    if agreed.yes is Yes.CONFIRM:
        check_confirmer(change, requester.actor, SLACK_DIALOG)
    else:
        check_not_asker(change, requester.actor)


async def count(ctx: BotContext, requester: Requester, agreed: Agreed) -> Change:
    """Let the gate take a yes; raises what it raises, and `NamesUnpostedError`."""
    await check_names(ctx, requester, agreed.change)
    if agreed.yes is Yes.APPROVE:
        spoken = Spoken(agreed.note, agreed.grant)
        return await cast(ctx, requester, agreed.change, Verdict.APPROVE, agreed.digest, spoken)
    await ctx.membership.require_full_member(requester.user, requester.account)  # who asked may be a guest since then
    change, scope = agreed.change, ctx.core.scope
    evidence = IN_SLACK_FOR_AGENT if change.actor.kind is ActorKind.AGENT else IN_SLACK
    return await ctx.core.gate.confirm(
        change.id, requester.actor, agreed.digest, evidence=evidence, place=SLACK_DIALOG, scope=scope
    )


async def named(ctx: BotContext, form: Interaction[Any], typed: str, note: str = "") -> Change:
    """Take an agreement that came with a typed name, checked against the change; raises what the gate raises."""
    change = await ctx.core.changes.get(form.change_id, scope=ctx.core.scope)
    name = typed_name_of(change.operation, change.arguments, change.target)
    if not same_name(typed, name):
        raise InvalidInputError("That is not the server's name.", hint="Nothing was done.")
    yes = Yes.APPROVE if form.value.get("as") == Yes.APPROVE.value else Yes.CONFIRM
    return await count(ctx, form.requester, Agreed(change, form.digest, yes, note))
