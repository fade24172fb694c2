"""The human behind an agent, and why a request is not even held."""

from dataclasses import dataclass, replace
from typing import Final

from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.authorization.submission import reachable_places
from vpsops.core.changes.approvals import CLIENT
from vpsops.core.changes.labels import PHASE_LABELS, Phase, phase_of
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Refused
from vpsops.core.common.text import moment
from vpsops.core.identity.accounts import AccountAnswer, AccountDirectory, DirectoryUnavailableError, Names, names_of
from vpsops.core.identity.actors import LOCAL, Actor, ActorKind, Origin, claims_human
from vpsops.core.operations.traits import action_of, title_of
from vpsops.core.policy.decision import Decision, Ruling

ACTOR_HINT: Final = (
    "Set VPSOPS_ACTOR to the e-mail address of the person behind this session, or to slack: and their id."
)
CLIENT_HINT: Final = "Ask from a client that supports elicitation; where vpsops serves Slack, /vps does it too."
TERMINAL_HINT: Final = (
    'Ask at a terminal, where its human confirms it; for a script, a rule with origin = "cli" can allow it.'
)


@dataclass(frozen=True, slots=True)
class IdentifiedActor:
    """An actor, an agent's with the account of its human, or why it has none."""

    actor: Actor
    refusal: Refused | None = None
    unknown: DirectoryUnavailableError | None = None
    slack: bool = False  # whether this set-up has a Slack workspace


async def identify(accounts: AccountDirectory | None, actor: Actor, origin: Origin, named_in: str) -> IdentifiedActor:
    """Find the one active account of the human behind an agent or a terminal; a person's in Slack is the one in use."""
    names = names_of(actor)
    if not claims_human(actor, origin) or not names or accounts is None:
        return IdentifiedActor(actor)
    try:
        answer = await accounts.find(names)
    except DirectoryUnavailableError as error:
        return IdentifiedActor(actor, unknown=error)
    if not answer.account:
        return IdentifiedActor(actor, unidentified_refusal(actor, named_in, names, answer))
    return IdentifiedActor(replace(actor, account=answer.account))


def unidentified_refusal(actor: Actor, named_in: str, names: Names, answer: AccountAnswer) -> Refused:
    """Report that the human behind a request is not one account that counts, and where that is set."""
    where = f", as {named_in} says" if named_in else ""
    subject = "This agent's human" if actor.kind is ActorKind.AGENT else "The person at this terminal"
    return Refused(
        f"{subject} is {' or '.join(names)}{where}, and {answer.problem}. Nothing was done.",
        hint="Name one active full member there: by the e-mail address of their Slack profile, or by Slack user id.",
    )


def terminal_refusal(identified: IdentifiedActor, origin: Origin, *, slack: bool) -> Refused | None:
    """Return why a terminal may only read, or nothing; `slack` says that people decide in Slack.

    The user of a machine is a name that nothing proves. Where people decide in Slack it has to be one account there,
    or the same human might approve in Slack what they asked for at the terminal.
    """
    actor = identified.actor
    if origin.verifies_people:
        return None
    own = actor.id.removeprefix(LOCAL) if actor.kind is ActorKind.PERSON else ""
    if not (actor.human or own):
        return Refused("Who sits at this terminal is not known, so it may only read. Nothing was done.", ACTOR_HINT)
    if not slack or actor.account:
        return None
    if identified.unknown is not None:
        why = identified.unknown
        return Refused(
            f"Who sits at this terminal is not known. {why.message} Nothing was done.", why.hint, why.error_id
        )
    return Refused(
        f"People decide in Slack here, and {actor.human or actor.id} is no account there, so this terminal may only"
        " read. Nothing was done.",
        ACTOR_HINT,
    )


PROGRAM_HINT: Final = "Without a person at the terminal it is an agent that asks: rules for persons are not about it."


def refusal_of(ruling: Ruling, identified: IdentifiedActor, origin: Origin, *, can_confirm: bool) -> Refused | None:
    """Return why a change cannot even be held, or nothing."""
    actor = identified.actor
    if ruling.decision is Decision.DENY:
        refusal = policy_refusal(ruling)
        by_program = actor.kind is ActorKind.AGENT and not origin.verifies_people
        return replace(refusal, hint=f"{refusal.hint} {PROGRAM_HINT}") if by_program else refusal
    if ruling.decision is Decision.APPROVE and claims_human(actor, origin) and not actor.account:
        return _without_account(identified)
    if ruling.decision is Decision.CONFIRM:
        return _unaskable(ruling, identified, origin, can_confirm=can_confirm)
    return None


def policy_refusal(ruling: Ruling) -> Refused:
    """Return the refusal of what the policy denies."""
    rules = ", ".join(ruling.rules) or "none matched"
    return Refused(f"The policy refuses this. {ruling.reason}".strip(), hint=f"Rules: {rules}.")


def _unaskable(ruling: Ruling, identified: IdentifiedActor, origin: Origin, *, can_confirm: bool) -> Refused | None:
    """Return why no human can be asked to confirm, or nothing where one can: in the client, or in Slack."""
    actor, unknown = identified.actor, identified.unknown
    if actor.kind is not ActorKind.AGENT or not ruling.confirm_in:
        reachable = can_confirm
    else:
        reachable = bool(reachable_places(ruling, actor, can_confirm=can_confirm, slack=identified.slack))
    if reachable:
        return None
    if CLIENT in (ruling.confirm_in or (CLIENT,)):
        return Refused(
            "This needs a human's confirmation, and this client cannot ask for one. Nothing was done.",
            hint=CLIENT_HINT if origin.verifies_people else TERMINAL_HINT,
        )
    if unknown is not None:
        return Refused(
            f"This has to be confirmed in Slack. {unknown.message} Nothing was done.", unknown.hint, unknown.error_id
        )
    return Refused(
        "This has to be confirmed in Slack, and the human behind this agent has no known account there. "
        "Nothing was done.",
        hint="Set VPSOPS_ACTOR to the e-mail address of the person behind this session, or to slack: and their id.",
    )


def _without_account(identified: IdentifiedActor) -> Refused:
    """Report that a change needs an approval, and that its human, who must not give it, has no known account."""
    actor = identified.actor
    if not (names_of(actor) if actor.kind is ActorKind.PERSON else actor.traceable):
        place = "behind this agent" if actor.kind is ActorKind.AGENT else "at this terminal"
        return Refused(
            f"This needs an approval. The human {place}, who must not give it, is unknown. Nothing was done.",
            ACTOR_HINT,
        )
    why = identified.unknown or DirectoryUnavailableError("No directory of accounts can be asked.")
    return Refused(f"This needs an approval. {why.message} Nothing was done.", why.hint, why.error_id)


def paused_refusal(error: AgentsPausedError) -> Refused:
    """Return the refusal for an agent while agents are paused."""
    return Refused(f"{error.message} Nothing was done.", hint=error.hint, error_id=error.error_id)


def busy_refusal(first: Change, reader: Actor, front: str) -> Refused:
    """Return the refusal behind a server's open change: what waits for whom until when, and what the reader can do.

    `front` is where the reader asks from: people set a hold aside in Slack alone.
    """
    own = first.actor.same_human(reader)
    until = f", until {moment(first.expires_at)}" if first.state is State.HELD and first.expires_at else ""
    status = PHASE_LABELS[phase_of(first)].status
    if phase_of(first) is Phase.AWAITING_CONFIRMATION:
        confirmer = "you" if own and reader.kind is ActorKind.PERSON else _confirmer(first)
        status = f"waits for {confirmer} to confirm it"
    reason = f"{_busy_title(first, reader, own=own)} {status}{until} ({first.id})."
    return Refused(reason, _busy_hint(first, front, own=own), change=first)


def _busy_title(first: Change, reader: Actor, *, own: bool) -> str:
    server = first.target.hostname or first.target.id
    plain = action_of(first.operation)
    words = f"request ({title_of(first.operation, server)})" if " " in plain else f"{plain.lower()} of {server}"
    if not own:
        return f"The {words}, requested by {first.actor.cited},"
    if first.actor.kind is reader.kind:
        return f"Your {words}"
    return f"The {words}, requested by your {'agent' if reader.kind is ActorKind.PERSON else 'human'},"


def _confirmer(first: Change) -> str:
    actor = first.actor
    return actor.label if actor.kind is ActorKind.PERSON else f"the human of {actor.cited}"


def _busy_hint(first: Change, front: str, *, own: bool) -> str:
    match first.state:
        case State.HELD if own:
            return f"Ask for another change once it is decided, or cancel {first.id} first."
        case State.HELD if first.ruling.decision is Decision.APPROVE:
            return "Wait until then; those who may approve it can deny it."
        case State.HELD if front == "slack":
            return f"Wait until then, or set it aside with /vps cancel {first.id}."
        case State.HELD:
            return "Wait until then. In Slack a full member can set it aside."
        case State.APPROVED | State.SCHEDULED if own:
            return f"Wait until it is done, or cancel {first.id} before it is sent; then ask again."
        case State.NEEDS_PERSON:
            return "A person has to say what became of it, on its card or App Home; then ask again."
        case _:
            return "Wait until it is done, then ask again."
