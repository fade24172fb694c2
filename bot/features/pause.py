"""Pausing agents and letting them go on, with what Slack says of the person at that moment."""

from dataclasses import replace

from vpsops.bot.blocks.elements import Post, actions, button
from vpsops.bot.context.bot_context import BotContext
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.protocol import action_ids
from vpsops.bot.workspaces.membership import MembershipUnreadableError
from vpsops.core.authorization.agent_pause import Pause
from vpsops.core.changes.model import State
from vpsops.core.changes.queries import MAX_CHANGES
from vpsops.core.changes.scope import ChangeQuery
from vpsops.core.common.text import one_line
from vpsops.core.identity.actors import ActorKind


async def pause(ctx: BotContext, requester: Requester, reason: str = "") -> Pause:
    """Pause all agents, for any full member; raises `NotAllowedError`.

    It is the safe direction: where Slack cannot identify the user, it is done, and that is recorded.
    """
    try:
        await ctx.membership.require_full_member(requester.user)
        evidence = "a full member of the workspace"
    except MembershipUnreadableError:
        evidence = "whether this is a full member could not be read"
    return await ctx.core.gate.pause_agents(
        requester.actor, paused=True, reason=reason, evidence=evidence, scope=ctx.core.scope
    )


async def resume(ctx: BotContext, requester: Requester, *, seen: float, reason: str = "") -> Pause:
    """Lift the pause that was made at `seen`.

    Raises `NotAllowedError` for all but those who may, and `StaleChangeError`.
    """
    gate = ctx.core.gate
    standing = await ctx.membership.verify_approver(requester.user, ctx.core.stewards)
    actor = replace(requester.actor, groups=standing.groups)
    evidence = standing.evidence or "a full member of the workspace"
    return await gate.pause_agents(
        actor, paused=False, reason=reason, evidence=evidence, seen=seen, scope=ctx.core.scope
    )


async def paused_note(ctx: BotContext, reason: str = "") -> Post:
    """Say whether agents are paused, and offer to let them go on."""
    result = await ctx.core.changes.agents_paused()
    if not result.paused or result.at is None:
        return note("Agents are not paused.")
    held = await ctx.core.changes.page(ChangeQuery(states=(State.HELD,), limit=MAX_CHANGES), scope=ctx.core.scope)
    waiting = sum(change.actor.kind is ActorKind.AGENT for change in held.changes)
    base = note(result.words, f"{waiting} of their changes wait." if waiting else "None of their changes waits.")
    value = {"at": result.at.timestamp(), "why": one_line(reason, 300)}
    return Post((*base.blocks, actions([button("Resume agents", action_ids.RESUME, value, "danger")])))


def switched_note(result: Pause) -> Post:
    """Say how the switch is now."""
    if result.paused:
        return note(result.words, "They can read but change nothing. /vps resume resumes them.")
    return note("Agents may ask for changes again.", "Changes cancelled during the pause stay cancelled.")
