"""One person's vote, with what Slack says of them at the click."""

from dataclasses import replace

from bot.parts import Asking, Parts
from core.changes.model import Change, Verdict
from core.errors import NotAllowed


async def cast(  # noqa: PLR0913 - one vote, all of it named
    parts: Parts, asking: Asking, change: Change, verdict: Verdict, digest: str, reason: str = ""
) -> Change:
    """Vote; raises `NotAllowed`, `StaleChange` or `UnknownChange`. Whether it counts is the gate's to say."""
    if asking.actor.same_human(change.actor):
        raise NotAllowed("You asked for this, yourself or through an agent, so others must decide.")
    standing = await parts.membership.standing(asking.user, change.ruling.approvers)
    voter = replace(asking.actor, groups=standing.groups)
    return await parts.core.gate.vote(change.id, voter, verdict, digest, reason=reason, evidence=standing.evidence)
