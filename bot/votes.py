"""One person's vote, with what Slack says of them at the click."""

from dataclasses import replace

from bot.blocks.text import is_person
from bot.parts import Asking, Parts
from core.changes.model import Actor, Change, Verdict
from core.errors import NotAllowed


async def cast(  # noqa: PLR0913 - one vote, all of it named
    parts: Parts, asking: Asking, change: Change, verdict: Verdict, digest: str, reason: str = ""
) -> Change:
    """Vote; raises `NotAllowed`, `StaleChange` or `UnknownChange`. Whether it counts is the gate's to say."""
    if asking.actor.same_human(change.actor):
        raise NotAllowed("You asked for this, yourself or through an agent, so others must decide.")
    known_as = await parts.membership.addresses(asking.user, only_emails(change.actor))
    standing = await parts.membership.standing(asking.user, change.ruling.approvers)
    voter = replace(asking.actor, groups=standing.groups, aliases=known_as)
    return await parts.core.gate.vote(change.id, voter, verdict, digest, reason=reason, evidence=standing.evidence)


def only_emails(actor: Actor) -> list[str]:
    """Return the e-mail addresses that an agent's human is known by where no Slack id of theirs is."""
    known = any(is_person(one.upper()) for one in actor.humans)
    return [] if known else sorted(one for one in actor.humans if "@" in one)
