"""Who may confirm, vote on and settle a change, why not, and what the votes come to."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from vpsops.core.changes.model import Change, State, Verdict, Vote
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.common.timings import Timing
from vpsops.core.identity.actors import Actor, ActorKind, Approvers, claims_human, is_among, union_of
from vpsops.core.identity.identifiers import looks_like_slack
from vpsops.core.policy.decision import Decision

CLIENT: Final = "client"
NO_NAMES: Final[Mapping[str, str]] = {}
SLACK_DIALOG: Final = "slack"
"""Where the human of an agent confirms: in a dialog of the client, or on a card in Slack's direct messages."""


def check(change: Change, voter: Actor) -> None:
    """Raise `NotAllowedError` with the reason unless this person may vote now; those who may approve may also deny."""
    if change.ruling.decision is not Decision.APPROVE:
        raise NotAllowedError("This change does not take votes.")
    if voter.kind is not ActorKind.PERSON:
        raise NotAllowedError("Only people vote.")
    if claims_human(change.actor, change.origin) and not change.actor.account:
        raise NotAllowedError(
            f"The account behind {change.actor.cited} was not known when this was requested.",
            hint="Nothing was decided. It expires by itself; its asker may cancel it and ask again.",
        )
    check_not_asker(change, voter)
    if any(voter.same_human(vote.voter) for vote in change.votes):
        raise NotAllowedError("You have voted on this change already.")
    if not eligible(change, voter):
        raise NotAllowedError("You are not among those who may decide this change.")


def check_not_asker(change: Change, voter: Actor) -> None:
    """Raise `NotAllowedError` for the human who requested a change, also where an agent did so for them.

    And for the human behind an agent for which another person requests a grant.
    """
    for asker in (change.actor, change.agent):
        own = bool(asker.account) and asker.account in {voter.account, voter.id}
        if own or voter.same_human(asker):
            raise NotAllowedError(f"You asked for this change, yourself or through {asker.cited}: others must decide.")


def confirms_in(change: Change, place: str) -> bool:
    """Return whether the human of an agent may confirm a change in the client's dialog or in Slack."""
    return place in (change.ruling.confirm_in or (CLIENT,))


def awaits_slack(change: Change) -> bool:
    """Return whether the human of an agent is asked in Slack, in direct messages, to confirm a change."""
    return is_unconfirmed(change) and change.actor.kind is ActorKind.AGENT and confirms_in(change, SLACK_DIALOG)


def check_confirmer(change: Change, actor: Actor, place: str = CLIENT) -> None:
    """Raise `NotAllowedError` unless the change needs its asker's confirmation and this person may give it here."""
    if change.ruling.decision is not Decision.CONFIRM:
        raise NotAllowedError("This change needs other people's approval.", hint="It cannot be confirmed.")
    if not actor.same_human(change.actor):
        raise NotAllowedError(f"Only {change.actor.cited} can confirm this change.", hint=_aside_hint(change))
    if change.actor.kind is ActorKind.AGENT and not confirms_in(change, place):
        where = "in Slack, on the card in direct messages" if place == CLIENT else "in the client that asked for it"
        raise NotAllowedError(f"This change is confirmed {where}. Nothing was decided.")


def check_canceller(change: Change, actor: Actor) -> None:
    """Raise `NotAllowedError` unless this is the human who requested the change, or an agent of theirs."""
    if not actor.same_human(change.actor):
        votes = "Its approvers can deny it in Slack." if waits_for_votes(change) else ""
        raise NotAllowedError(f"Only {change.actor.cited} can cancel this change.", hint=votes or _aside_hint(change))


def check_stopper(change: Change, actor: Actor) -> None:
    """Raise `NotAllowedError` unless this may stop a running plan: its asker, or a person who may approve it."""
    if actor.same_human(change.actor):
        return
    every = change.ruling.requirements or (change.ruling.approvers,)
    if actor.kind is not ActorKind.PERSON or not any(is_among(approvers, actor) for approvers in every):
        raise NotAllowedError(
            "You are not among those who may stop this plan.",
            hint=f"{change.actor.cited} may, and those who may approve it.",
        )


def is_unconfirmed(change: Change) -> bool:
    """Return whether a change waits for its own requester alone, who may have forgotten it."""
    return change.state is State.HELD and change.ruling.decision is Decision.CONFIRM


def _aside_hint(change: Change) -> str:
    return "A full member of the workspace can set it aside with Cancel, in Slack." if is_unconfirmed(change) else ""


def check_set_aside(change: Change, actor: Actor) -> None:
    """Raise `NotAllowedError` unless a person sets aside what was not confirmed yet; agents set nothing aside."""
    if actor.kind is not ActorKind.PERSON:
        raise NotAllowedError("Only people set aside what others asked for.")
    if change.ruling.decision is not Decision.CONFIRM:
        check_canceller(change, actor)


def eligible(change: Change, voter: Actor) -> bool:
    """Return whether every rule's approvers include this person; no one is included by an empty list."""
    ruling = change.ruling
    return all(is_among(approvers, voter) for approvers in ruling.requirements or (ruling.approvers,))


def names_among(change: Change, voter: Actor) -> list[str]:
    """Return the names by which a person is among the approvers, as the rules write them."""
    own = voter.identities
    every = union_of(change.ruling.requirements or (change.ruling.approvers,))
    people = [name for name in every.people if name.lower() in own]
    return [*people, *(name for name in every.groups + every.channels if name in voter.groups)]


def tally(change: Change, vote: Vote) -> State:
    """Return the state after one more vote: one denial ends it, enough approvals start it."""
    if vote.verdict is Verdict.DENY:
        return State.DENIED
    return State.APPROVED if change.approvals + 1 >= max(change.ruling.votes, 1) else State.HELD


def settlers(change: Change, stewards: Approvers) -> tuple[Approvers, ...]:
    """Return who may settle another person's unclear change: its approvers, else the stewards."""
    ruling = change.ruling
    if ruling.decision is not Decision.APPROVE:
        return (stewards,)
    return ruling.requirements or (ruling.approvers,)


def check_settler(change: Change, actor: Actor, stewards: Approvers) -> None:
    """Raise `NotAllowedError` unless this person may say what became of the change."""
    if actor.kind is not ActorKind.PERSON:
        raise NotAllowedError("Only a person can say what became of this change.")
    if not actor.same_human(change.actor) and not all(
        is_among(settler, actor) for settler in settlers(change, stewards)
    ):
        raise NotAllowedError(
            "You are not among those who may say what became of this change.",
            hint=f"{change.actor.cited} may, and those who may approve it.",
        )


def waits_for_votes(change: Change) -> bool:
    """Return whether a change waits for other people."""
    return change.state is State.HELD and change.ruling.decision is Decision.APPROVE


def first_attention(change: Change, timing: Timing) -> datetime | None:
    """Return when more people are asked, if no one has voted by then; nothing for what takes no votes."""
    return _at(change, timing.escalate_share)


def last_attention(change: Change, timing: Timing) -> datetime | None:
    """Return when those who may vote are reminded; nothing for what takes no votes."""
    return _at(change, timing.remind_share)


def _at(change: Change, share: float) -> datetime | None:
    if not waits_for_votes(change) or change.expires_at is None:
        return None
    return change.created_at + (change.expires_at - change.created_at) * share


def approver_words(approvers: Approvers, write: Callable[[str], str], group_names: Mapping[str, str] = NO_NAMES) -> str:
    """Return who may vote, as words; `write` prepares a name for where it is shown.

    Only the bot knows what Slack calls an account or a channel, and it gives the names of groups alone: what is
    not known is called what it is, with its id.
    """
    named = [
        *(
            f"{write(f'@{group_names[group]}')} ({write(group)})"
            if group in group_names
            else f"a Slack user group ({write(group)})"
            for group in approvers.groups
        ),
        *(f"a Slack account ({write(name)})" if looks_like_slack(name) else write(name) for name in approvers.people),
        *(f"the members of a Slack channel ({write(channel)})" for channel in approvers.channels),
    ]
    return " or ".join(part for part in (", ".join(named[:-1]), *named[-1:]) if part)
