"""One person's vote, with what Slack says of them at the click."""

from dataclasses import replace

from vpsops.bot.context.bot_context import Asking, Parts
from vpsops.core.changes.approvals import settlers
from vpsops.core.changes.model import Change, Verdict
from vpsops.core.identity.actors import Approvers, union_of


async def cast(  # noqa: PLR0913 - one vote, all of it named
    parts: Parts, asking: Asking, change: Change, verdict: Verdict, digest: str, reason: str = ""
) -> Change:
    """Vote.

    Raises `NotAllowedError`, `StaleChangeError` or `UnknownChangeError`. Whether it counts is the gate's to say.
    """
    if asking.actor.same_human(change.actor):  # nothing has to be read for the gate to say no, on record
        return await parts.core.gate.vote(
            change.id, asking.actor, verdict, digest, reason=reason, scope=parts.core.scope
        )
    approvers = change.ruling.approvers
    standing = await parts.membership.verify_approver(asking.user, approvers)
    known_as = await _named_by_email(parts, asking, approvers)
    voter = replace(asking.actor, groups=standing.groups, aliases=known_as)
    evidence = standing.evidence or "named in the rule by e-mail address"
    return await parts.core.gate.vote(
        change.id, voter, verdict, digest, reason=reason, evidence=evidence, scope=parts.core.scope
    )


async def _named_by_email(parts: Parts, asking: Asking, approvers: Approvers) -> tuple[str, ...]:
    """Return the e-mail address by which a rule names this person as one who decides."""
    named = {one.lower() for one in approvers.people if "@" in one}
    email = await parts.membership.read_email(asking.user, fresh=True) if named else ""
    return (email,) if email in named else ()


async def settle(parts: Parts, asking: Asking, change: Change, *, happened: bool) -> Change:
    """Say what became of a change; raises as `cast` does. The asker needs no list of anybody's to be read."""
    gate, actor = parts.core.gate, asking.actor
    evidence = "the human who asked"
    if not actor.same_human(change.actor):
        standing = await parts.membership.verify_approver(asking.user, union_of(settlers(change, parts.core.stewards)))
        actor, evidence = replace(actor, groups=standing.groups), standing.evidence
    return await gate.resolve(change.id, actor, happened=happened, evidence=evidence, scope=parts.core.scope)


async def withdraw(parts: Parts, asking: Asking, change: Change, reason: str = "") -> Change:
    """Cancel one's own change, or that of one's agent; raises as the gate does."""
    return await parts.core.gate.cancel(change.id, asking.actor, reason=reason, scope=parts.core.scope)
