"""Who may vote on a hold, and what the votes come to; pure."""

from core.changes.model import Actor, ActorKind, Approvers, Change, Decision, State, Verdict, Vote
from core.errors import NotAllowed


def check(change: Change, voter: Actor) -> None:
    """Raise `NotAllowed` with the reason unless this person may vote now; whoever may approve may deny."""
    if change.ruling.decision is not Decision.APPROVE:
        raise NotAllowed("This change does not take votes.")
    if voter.kind is not ActorKind.PERSON:
        raise NotAllowed("Only people vote.")
    if voter.same_human(change.actor):
        raise NotAllowed(f"You asked for this change, yourself or through {change.actor.shown}: others must decide.")
    if any(voter.same_human(vote.voter) for vote in change.votes):
        raise NotAllowed("You have voted on this change already.")
    if not eligible(change, voter):
        raise NotAllowed("You are not among those who may decide this change.")


def eligible(change: Change, voter: Actor) -> bool:
    """Say whether every rule's approvers include this person; nobody is included by an empty list."""
    ruling = change.ruling
    return all(among(approvers, voter) for approvers in ruling.requirements or (ruling.approvers,))


def among(approvers: Approvers, voter: Actor) -> bool:
    """Say whether a person is named here, or in one of the groups and channels by what was read of them."""
    named = {one.lower() for one in approvers.people} & voter.identities
    found = set(approvers.groups + approvers.channels) & set(voter.groups)
    return bool(named or found)


def tally(change: Change, vote: Vote) -> State:
    """Return the state after one more vote: one denial ends it, enough approvals start it."""
    if vote.verdict is Verdict.DENY:
        return State.DENIED
    return State.APPROVED if change.approvals + 1 >= max(change.ruling.votes, 1) else State.HELD
