"""The human behind an agent, and why a request is not even held."""

from dataclasses import dataclass, replace

from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.changes.requests import Refused
from vpsops.core.identity.accounts import AccountAnswer, AccountDirectory, DirectoryUnavailableError, Names, names_of
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.policy.decision import Decision, Ruling


@dataclass(frozen=True, slots=True)
class IdentifiedActor:
    """An actor, an agent's with the account of its human, or why it has none."""

    actor: Actor
    refusal: Refused | None = None
    unknown: DirectoryUnavailableError | None = None


async def identify(accounts: AccountDirectory | None, actor: Actor, named_in: str) -> IdentifiedActor:
    """Find the one active account of the human behind an agent; a person's is the one they use."""
    names = names_of(actor)
    if actor.kind is not ActorKind.AGENT or not names or accounts is None:
        return IdentifiedActor(actor)
    try:
        answer = await accounts.find(names)
    except DirectoryUnavailableError as error:
        return IdentifiedActor(actor, unknown=error)
    if not answer.account:
        return IdentifiedActor(actor, unidentified_refusal(named_in, names, answer))
    return IdentifiedActor(replace(actor, account=answer.account))


def unidentified_refusal(named_in: str, names: Names, answer: AccountAnswer) -> Refused:
    """Report that the human behind an agent is not one account that counts, and where that is set."""
    where = f", as {named_in} says" if named_in else ""
    return Refused(
        f"This agent's human is {' or '.join(names)}{where}, and {answer.problem}. Nothing was done.",
        hint="Name one active full member there: by the e-mail address of their Slack profile, or by Slack user id.",
    )


def refusal_of(ruling: Ruling, identified: IdentifiedActor, *, can_confirm: bool) -> Refused | None:
    """Return why a change cannot even be held, or nothing."""
    actor = identified.actor
    rules = f"Rules: {', '.join(ruling.rules) or 'none matched'}."
    if ruling.decision is Decision.DENY:
        return Refused(f"The policy refuses this. {ruling.reason}".strip(), hint=rules)
    if ruling.decision is Decision.APPROVE and not actor.traceable:
        return Refused(
            "This needs an approval. The human behind this agent, who must not give it, is unknown. Nothing was done.",
            hint="Set VPSOPS_ACTOR to the e-mail address of the person behind this session, or to slack: and their id.",
        )
    if ruling.decision is Decision.APPROVE and actor.kind is ActorKind.AGENT and not actor.account:
        why = identified.unknown or DirectoryUnavailableError("No directory of accounts can be asked.")
        return Refused(f"This needs an approval. {why.message} Nothing was done.", why.hint, why.error_id)
    if ruling.decision is Decision.CONFIRM and not can_confirm:
        return Refused(
            "This needs a human's confirmation, and this client cannot ask for one. Nothing was done.",
            hint="Ask from a client that supports elicitation; where vpsops serves Slack, /vps does it too.",
        )
    return None


def paused_refusal(error: AgentsPausedError) -> Refused:
    """Return the refusal for an agent while agents are paused."""
    return Refused(f"{error.message} Nothing was done.", hint=error.hint, error_id=error.error_id)
