"""Actors and approvers, from what the database holds."""

from dataclasses import fields

from vpsops.core.common.stored_values import Row, UnreadableValueError, names_of, text_of
from vpsops.core.identity.actors import Actor, ActorKind, Approvers


def actor_of(stored: Row) -> Actor:
    """Return the actor a column holds."""
    return Actor(
        kind=ActorKind(text_of(stored, "kind")),
        id=text_of(stored, "id"),
        name=text_of(stored, "name"),
        human=text_of(stored, "human"),
        aliases=names_of(stored, "aliases"),
        groups=names_of(stored, "groups"),
        account=text_of(stored, "account") if "account" in stored else "",  # older changes have none
    )


def approvers_of(stored: Row) -> Approvers:
    """Return the approvers a column holds; raises on a kind of approvers that this version does not know.

    To leave such a kind out would widen or narrow who may vote.
    """
    unknown = stored.keys() - KINDS_OF_APPROVERS
    if unknown:
        raise UnreadableValueError("approvers of an unknown kind")
    return Approvers(**{name: names_of(stored, name) for name in stored})


KINDS_OF_APPROVERS = frozenset(field.name for field in fields(Approvers))
