"""Who may run a change without votes and who may close the review of it, and what they have to write."""

import re
from collections.abc import Sequence
from typing import Final

from vpsops.core.changes import approvals
from vpsops.core.changes.approvals import eligible, waits_for_votes
from vpsops.core.changes.model import Change
from vpsops.core.common.errors import InvalidInputError, NotAllowedError
from vpsops.core.common.hostnames import is_same_hostname
from vpsops.core.common.text import normalise
from vpsops.core.identity.actors import Actor, ActorKind, Approvers, is_among, union_of
from vpsops.core.operations.traits import typed_name_of

REASON_CHARACTERS: Final = 20
DISTINCT_CHARACTERS: Final = 5
NOTE_CHARACTERS: Final = 10
REASON_HINT: Final = (
    f"Write at least {REASON_CHARACTERS} characters: what is broken, and why it cannot wait for a vote."
)


def check_overrider(change: Change, actor: Actor) -> None:
    """Raise `NotAllowedError` with the reason unless this person may run this change without votes."""
    if change.actor.kind is not ActorKind.PERSON or actor.kind is not ActorKind.PERSON:
        raise NotAllowedError("A change that an agent asked for is never run without votes.", hint=OWN_CHANGE)
    if not actor.same_human(change.actor):
        raise NotAllowedError("Only the person who asked for a change can run it without votes.", hint=OWN_CHANGE)
    if change.schedule is not None:
        raise NotAllowedError(
            "A change that runs later can wait for votes until then.",
            hint="If it is urgent, ask for it without a time.",
        )
    if not waits_for_votes(change):
        raise NotAllowedError("This change does not wait for votes, so there is nothing to override.")
    if not change.ruling.overrides:
        raise NotAllowedError(
            "No rule lets anyone run this change without votes.", hint=f"Rules: {', '.join(change.ruling.rules)}."
        )
    if not all(is_among(overriders, actor) for overriders in change.ruling.overrides):
        raise NotAllowedError(
            "You are not among those who may run this change without votes.",
            hint=f"The rules name {change.ruling.override_text}.",
        )


OWN_CHANGE: Final = "Ask for it yourself; then the rules say whether you may run it without votes."


def is_overridable(change: Change) -> bool:
    """Return whether some people may run a change without votes, if it is theirs."""
    is_now = waits_for_votes(change) and change.schedule is None
    return is_now and change.actor.kind is ActorKind.PERSON and bool(change.ruling.overrides)


def needs_groups(overrides: Sequence[Approvers], actor: Actor) -> bool:
    """Return whether one of several lists may include a person by its groups alone, so that these have to be read."""
    return any(overriders.groups and not is_among(overriders, actor) for overriders in overrides)


def override_names_of(change: Change, actor: Actor) -> tuple[str, ...]:
    """Return the names by which the rules let this person run the change without votes, as the rules write them."""
    every, own = union_of(change.ruling.overrides), actor.identities
    people = [name for name in every.people if name.lower() in own]
    return (*people, *(name for name in every.groups if name in actor.groups))


def checked_reason(own: str, text: str) -> str:
    """Return the reason in one line; raises `InvalidInputError` for one too short, or only the change's own reason.

    Call it with both as they are kept: redacted.
    """
    reason = plain(text)
    rest = reason.casefold()
    own = plain(own).casefold()
    rest = " ".join(re.sub(rf"(?<!\w){re.escape(own)}(?!\w)", " ", rest).split()) if own else rest
    if len(reason) < REASON_CHARACTERS or len(set(reason.casefold()) - {" "}) < DISTINCT_CHARACTERS:
        raise InvalidInputError("The reason is too short.", hint=REASON_HINT)
    if len(rest) < REASON_CHARACTERS:
        raise InvalidInputError("That is the reason of the change itself.", hint=REASON_HINT)
    return reason


def checked_note(text: str) -> str:
    """Return a reviewer's note in one line; raises `InvalidInputError` for one that is too short."""
    note = plain(text)
    if len(note) < NOTE_CHARACTERS:
        raise InvalidInputError(
            "The note is too short.", hint=f"Write at least {NOTE_CHARACTERS} characters: what the review found."
        )
    return note


def plain(text: str) -> str:
    """Return text without repeated spaces and without what is not shown, which counts for nothing."""
    return " ".join(normalise(text).split())


def check_name(change: Change, typed: str) -> None:
    """Raise `InvalidInputError` unless the whole name was typed: a hostname in any case (RFC 4343)."""
    if not names_server(typed, full_name(change)):
        raise InvalidInputError("That is not the server's full name.", hint="Nothing was done.")


def names_server(typed: str, name: str) -> bool:
    """Return whether the typed text is the whole name."""
    expected, entered = (" ".join(text.split()).rstrip(".").split(" ") for text in (name, typed))
    return bool(expected[0]) and is_same_hostname(expected[0], entered[0]) and expected[1:] == entered[1:]


def full_name(change: Change) -> str:
    """Return the name to type: the server's hostname, else its id, and what of it is destroyed."""
    return typed_name_of(change.operation, change.arguments, change.target) or change.target.id


def check_reviewer(change: Change, actor: Actor) -> None:
    """Raise `NotAllowedError` unless this person may close the review of a change that ran without votes.

    `change` comes with the ruling that says who may: see `Recheck.as_reviewed`.
    """
    if actor.kind is not ActorKind.PERSON:
        raise NotAllowedError("Only people close a review.")
    override = change.override
    if override is None:
        raise NotAllowedError("This change did not run without votes, so there is nothing to review.")
    if actor.same_human(override.by):
        raise NotAllowedError("You ran this change without votes: another person must review it.")
    approvals.check_not_asker(change, actor)
    if not eligible(change, actor):
        raise NotAllowedError("You are not among those who may approve this change, and so may review it.")
