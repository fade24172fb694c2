"""One person's vote, with what Slack says of them at the click."""

from dataclasses import dataclass, replace
from typing import Final

from vpsops.bot.commands.time_parser import KeepServer
from vpsops.bot.context.bot_context import BotContext, request_of
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.notifications.change_topic import has_all_names
from vpsops.core.authorization.votes import Statement
from vpsops.core.break_glass.overrides import OverrideRequest
from vpsops.core.break_glass.rights import is_overridable
from vpsops.core.changes.approvals import is_unconfirmed, settlers
from vpsops.core.changes.model import Change, GrantWish, Verdict
from vpsops.core.changes.requests import SetAside
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.ends.model import ServerEnd
from vpsops.core.grants.model import Grant
from vpsops.core.grants.requests import asker_in
from vpsops.core.identity.actors import Actor, Approvers, union_of
from vpsops.core.messaging.outbox import topic_of
from vpsops.core.operations.target import is_plan
from vpsops.core.plans.names import SHOWN


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a vote says besides its verdict: a reason, and what the voter would grant."""

    reason: str = ""
    grant: GrantWish | None = None


NOTHING_MORE: Final = Spoken()


class NamesUnpostedError(InvalidInputError):
    """The names of a plan's servers are not all in the thread of its card, so no one can have read them."""


async def check_names(ctx: BotContext, requester: Requester, change: Change) -> None:
    """Raise `NamesUnpostedError` while the names of a plan's servers are not all in the thread of its card.

    What is posted is stored with each message, so that every process knows it.
    """
    if not is_plan(change.operation):
        return
    copies = await ctx.core.outbox.copies(topic_of(change.id))
    if not has_all_names(change, copies, requester.where.channel):
        raise NamesUnpostedError(
            "The list of names is still being posted in the thread of the card, so nothing was counted.",
            hint="Press again once the card says that it is there. Where that does not come, ask for the servers in "
            f"parts of at most {SHOWN}: a card names so many itself.",
        )


async def cast(  # noqa: PLR0913 - one vote, all of it named
    ctx: BotContext, requester: Requester, change: Change, verdict: Verdict, digest: str, spoken: Spoken = NOTHING_MORE
) -> Change:
    """Vote.

    Raises `NotAllowedError`, `StaleChangeError` or `UnknownChangeError`. Whether it counts is the gate's to say.
    """
    if requester.actor.same_human(change.actor):  # nothing has to be read for the gate to say no, on record
        return await ctx.core.gate.vote(
            change.id, requester.actor, verdict, digest, reason=spoken.reason, scope=ctx.core.scope
        )
    voter, evidence = await _as_approver(ctx, requester, change.ruling.approvers)
    reason, scope = spoken.reason, ctx.core.scope
    return await ctx.core.gate.vote(
        change.id, voter, verdict, digest, reason=reason, evidence=evidence, grant=spoken.grant, scope=scope
    )


async def _as_approver(ctx: BotContext, requester: Requester, approvers: Approvers) -> tuple[Actor, str]:
    """Return a person with the groups and the address by which rules name them, as read now, and how it was read."""
    standing = await ctx.membership.verify_approver(requester.user, approvers, requester.account)
    known_as = await _named_by_email(ctx, requester, approvers)
    voter = replace(requester.actor, groups=standing.groups, aliases=known_as)
    return voter, standing.evidence or "named in the rule by e-mail address"


async def end_grant(ctx: BotContext, requester: Requester, grant_id: str) -> Grant:
    """End a grant, for its approvers, the agent's person and who asked for it.

    Raises as the gate does, and as `cast` does.
    """
    scope = ctx.core.scope
    grant = await ctx.core.grants.get(grant_id, scope=scope)
    actor, evidence = requester.actor, "the human behind the agent"
    asker = asker_in(next(iter(await ctx.core.changes.by_ids([grant.source], scope=scope)), None))
    if asker is not None and actor.same_human(asker):
        evidence = "the human who asked for it"
    elif not actor.same_human(grant.agent):
        actor, evidence = await _as_approver(ctx, requester, grant.ruling.approvers)
    return await ctx.core.gate.end_grant(grant.id, actor, evidence=evidence, scope=scope)


async def _named_by_email(ctx: BotContext, requester: Requester, approvers: Approvers) -> tuple[str, ...]:
    """Return the e-mail address by which a rule names this person as one who decides."""
    named = {person.lower() for person in approvers.people if "@" in person}
    email = await ctx.membership.read_email(requester.user, fresh=True) if named else ""
    return (email,) if email in named else ()


async def settle(ctx: BotContext, requester: Requester, change: Change, *, happened: bool) -> Change:
    """Settle a change. Raises as `cast` does. Who asked for it may do so as a full member, whatever the rules say."""
    gate, actor = ctx.core.gate, requester.actor
    evidence = "the human who asked"
    if actor.same_human(change.actor):
        await ctx.membership.require_full_member(requester.user, requester.account)
    else:
        (current,) = await ctx.core.changes.for_settlement([change])
        actor, evidence = await _as_approver(ctx, requester, union_of(settlers(current, ctx.core.stewards)))
    return await gate.resolve(change.id, actor, happened=happened, evidence=evidence, scope=ctx.core.scope)


@dataclass(frozen=True, slots=True)
class Overriding:
    """What the asker typed to run a change without approval: the digest of what they saw, a reason, the name."""

    change_id: str
    digest: str
    reason: str
    typed_name: str


async def override(ctx: BotContext, requester: Requester, asked: Overriding) -> Change:
    """Run one's own change without approval, with what Slack says of the asker now; raises what the gate raises."""
    change = await ctx.core.changes.get(asked.change_id, scope=ctx.core.scope)
    await check_names(ctx, requester, change)
    actor, evidence = requester.actor, ""
    if is_overridable(change) and actor.same_human(change.actor):  # else nothing has to be read for the gate to refuse
        overriders = union_of(change.ruling.overrides)
        standing = await ctx.membership.verify_approver(requester.user, overriders, requester.account)
        known_as = await _named_by_email(ctx, requester, overriders)
        actor = replace(actor, groups=standing.groups, aliases=known_as)
        evidence = standing.evidence or "named in the rule by e-mail address"
    request = OverrideRequest(actor, asked.digest, asked.reason, asked.typed_name, requester.origin, evidence)
    return await ctx.core.gate.override(change.id, request, scope=ctx.core.scope)


async def review(ctx: BotContext, requester: Requester, change: Change, note: str) -> Change:
    """Close the review of a run without approval, as an approver by what Slack says now; raises what the gate does."""
    actor, evidence = requester.actor, ""
    if not actor.same_human(change.actor):
        (asked,) = await ctx.core.changes.for_review([change])
        approvers = asked.ruling.approvers
        standing = await ctx.membership.verify_approver(requester.user, approvers, requester.account)
        known_as = await _named_by_email(ctx, requester, approvers)
        actor = replace(actor, groups=standing.groups, aliases=known_as)
        evidence = standing.evidence or "named in the rule by e-mail address"
    word = Statement(actor, reason=note, evidence=evidence)
    return await ctx.core.gate.close_review(change.id, word, scope=ctx.core.scope)


async def stop_plan(ctx: BotContext, requester: Requester, change: Change) -> Change:
    """Let a running plan begin no other server. Raises as `cast` does; the requester may without a membership read."""
    gate, actor, evidence = ctx.core.gate, requester.actor, "the human who asked"
    if not actor.same_human(change.actor):
        standing = await ctx.membership.verify_approver(requester.user, change.ruling.approvers, requester.account)
        actor = replace(
            actor, groups=standing.groups, aliases=await _named_by_email(ctx, requester, change.ruling.approvers)
        )
        evidence = standing.evidence
    return await gate.stop_plan(change.id, actor, evidence=evidence, scope=ctx.core.scope)


FULL_MEMBER: Final = "a full member of the workspace, read just now"


async def withdraw(ctx: BotContext, requester: Requester, change: Change, reason: str = "") -> Change:
    """Cancel one's own change or that of one's agent, or set aside another person's unconfirmed change.

    Raises as the gate does, and `NotAllowedError` for all but full members, who alone set aside.
    """
    gate, scope = ctx.core.gate, ctx.core.scope
    if requester.actor.same_human(change.actor) or not is_unconfirmed(change):
        return await gate.cancel(change.id, requester.actor, reason=reason, scope=scope)
    await ctx.membership.require_full_member(requester.user, requester.account)
    return await gate.set_aside(change.id, requester.actor, reason=reason, evidence=FULL_MEMBER, scope=scope)


async def full_member_sets_aside(ctx: BotContext, requester: Requester, change_id: str) -> SetAside:
    """Return the withdrawal of another person's change, for the request it makes way for; raises `NotAllowedError`."""
    await ctx.membership.require_full_member(requester.user, requester.account)
    return SetAside(change_id, FULL_MEMBER)


async def keep_server(ctx: BotContext, requester: Requester, command: KeepServer) -> ServerEnd:
    """Give a server a later end; anyone but its owner as an approver, as for a vote.

    Raises as the gate does.
    """
    core = ctx.core
    arguments = {"server": command.server, "lifetime": command.lifetime}
    request = replace(await request_of(ctx, requester, "create", arguments), operation="keep", reason=command.reason)
    named = command.server.lower().rstrip(".")
    ends = await core.ends.list_open(scope=core.scope)
    own = [end for end in ends if named == end.server_id.lower() or end.hostname.lower().startswith(named)]
    if len(own) == 1 and not requester.actor.same_human(own[0].owner):
        made = await core.changes.get(own[0].change_id, scope=core.scope)
        known, _ = await _as_approver(ctx, requester, union_of(settlers(made, core.stewards)))
        groups = tuple(dict.fromkeys((*request.actor.groups, *known.groups)))
        request = replace(request, actor=replace(request.actor, groups=groups, aliases=known.aliases))
    return await core.gate.keep_server(request, scope=core.scope)
