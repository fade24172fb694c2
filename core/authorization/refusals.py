"""The human behind an agent's request, and why a request is not even held."""

from dataclasses import dataclass, replace

from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.changes.requests import Refused, Request
from vpsops.core.identity.accounts import AccountAnswer, AccountDirectory, DirectoryUnavailableError, Names, names_of
from vpsops.core.identity.actors import ActorKind
from vpsops.core.policy.decision import Decision, Ruling


@dataclass(frozen=True, slots=True)
class IdentifiedRequest:
    """A request with the account of the human behind its agent, or why it has none."""

    request: Request
    refusal: Refused | None = None
    unknown: DirectoryUnavailableError | None = None


async def identify(accounts: AccountDirectory | None, request: Request) -> IdentifiedRequest:
    """Find the one active account of the human behind an agent; a person's is the one they use."""
    names = names_of(request.actor)
    if request.actor.kind is not ActorKind.AGENT or not names or accounts is None:
        return IdentifiedRequest(request)
    try:
        answer = await accounts.find(names)
    except DirectoryUnavailableError as error:
        return IdentifiedRequest(request, unknown=error)
    if not answer.account:
        return IdentifiedRequest(request, unidentified_refusal(request, names, answer))
    return IdentifiedRequest(replace(request, actor=replace(request.actor, account=answer.account)))


def unidentified_refusal(request: Request, names: Names, answer: AccountAnswer) -> Refused:
    """Report that the human behind an agent is not one account that counts, and where that is set."""
    where = f", as {request.named_in} says" if request.named_in else ""
    return Refused(
        f"This agent's human is {' or '.join(names)}{where}, and {answer.problem}. Nothing was done.",
        hint="Name one active full member there: by the e-mail address of their Slack profile, or by Slack user id.",
    )


def refusal_of(ruling: Ruling, identified: IdentifiedRequest) -> Refused | None:
    """Return why a change cannot even be held, or nothing."""
    request = identified.request
    rules = f"Rules: {', '.join(ruling.rules) or 'none matched'}."
    if ruling.decision is Decision.DENY:
        return Refused(f"The policy refuses this. {ruling.reason}".strip(), hint=rules)
    if ruling.decision is Decision.APPROVE and not request.actor.traceable:
        return Refused(
            "This needs an approval. The human behind this agent, who must not give it, is unknown. Nothing was done.",
            hint="Set VPSOPS_ACTOR to the e-mail address of the person behind this session, or to slack: and their id.",
        )
    if ruling.decision is Decision.APPROVE and request.actor.kind is ActorKind.AGENT and not request.actor.account:
        why = identified.unknown or DirectoryUnavailableError("No directory of accounts can be asked.")
        return Refused(f"This needs an approval. {why.message} Nothing was done.", why.hint, why.error_id)
    if ruling.decision is Decision.CONFIRM and not request.can_confirm:
        return Refused(
            "This needs a human's confirmation, and this client cannot ask for one. Nothing was done.",
            hint="Ask from a client that supports elicitation; where vpsops serves Slack, /vps does it too.",
        )
    return None


def paused_refusal(error: AgentsPausedError) -> Refused:
    """Return the refusal for an agent while agents are paused."""
    return Refused(f"{error.message} Nothing was done.", hint=error.hint, error_id=error.error_id)
