"""Pausing agents and letting them go on, with what Slack says of the person at that moment."""

from dataclasses import replace

from vpsops.bot.blocks.elements import Post, actions, button
from vpsops.bot.context.bot_context import Asking, Parts
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.protocol import action_ids
from vpsops.bot.workspaces.membership import MembershipUnreadableError
from vpsops.core.authorization.agent_pause import Pause
from vpsops.core.changes.model import State
from vpsops.core.changes.queries import MAX_CHANGES, ChangeQuery
from vpsops.core.common.text import one_line
from vpsops.core.identity.actors import ActorKind


async def pause(parts: Parts, asking: Asking, reason: str = "") -> Pause:
    """Pause all agents, for any full member; raises `NotAllowedError`.

    It is the safe direction: where Slack cannot say who somebody is, it is done and that is written down.
    """
    try:
        await parts.membership.require_full_member(asking.user)
        evidence = "a full member of the workspace"
    except MembershipUnreadableError:
        evidence = "whether this is a full member could not be read"
    return await parts.core.gate.pause_agents(
        asking.actor, paused=True, reason=reason, evidence=evidence, scope=parts.core.scope
    )


async def resume(parts: Parts, asking: Asking, *, seen: float, reason: str = "") -> Pause:
    """Lift the pause that was made at `seen`.

    Raises `NotAllowedError` for all but those who may, and `StaleChangeError`.
    """
    gate = parts.core.gate
    standing = await parts.membership.verify_approver(asking.user, parts.core.stewards)
    actor = replace(asking.actor, groups=standing.groups)
    evidence = standing.evidence or "a full member of the workspace"
    return await gate.pause_agents(
        actor, paused=False, reason=reason, evidence=evidence, seen=seen, scope=parts.core.scope
    )


async def paused_note(parts: Parts, reason: str = "") -> Post:
    """Say whether agents are paused, and offer to let them go on."""
    found = await parts.core.changes.agents_paused()
    if not found.paused or found.at is None:
        return note("Agents are not paused.")
    held = await parts.core.changes.page(ChangeQuery(states=(State.HELD,), limit=MAX_CHANGES), scope=parts.core.scope)
    waiting = sum(change.actor.kind is ActorKind.AGENT for change in held.changes)
    base = note(found.words, f"{waiting} of their changes wait." if waiting else "None of their changes waits.")
    value = {"at": found.at.timestamp(), "why": one_line(reason, 300)}
    return Post(base.text, (*base.blocks, actions([button("Resume agents", action_ids.RESUME, value, "danger")])))


def switched_note(found: Pause) -> Post:
    """Say how the switch is now."""
    if found.paused:
        return note(found.words, "They can read but change nothing. /vps resume resumes them.")
    return note("Agents may ask for changes again.", "What was cancelled meanwhile stays cancelled.")
