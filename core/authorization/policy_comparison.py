"""Whether a policy requires more of a change now than when it was requested.

What got milder changes nothing: people were asked under the stricter rule, and their answer counts.
"""

from collections.abc import Sequence
from typing import Final

from vpsops.core.changes.model import ChangeOverride
from vpsops.core.identity.actors import Approvers
from vpsops.core.policy.decision import Decision, Ruling

MOST_RULES: Final = 5


def tightened(old: Ruling, new: Ruling) -> str:
    """Return the requirements of a new ruling beyond an old one, in the rule's own words; empty without any."""
    if new.decision.rank > old.decision.rank:
        what = "refuses it" if new.decision is Decision.DENY else f"asks for {_asked(new)}"
        return _worded(what, new)
    if (
        new.decision is old.decision is Decision.CONFIRM
        and new.confirm_in
        and not set(old.confirm_in) <= {*new.confirm_in}
    ):
        return _worded(f"takes a confirmation in {' or '.join(new.confirm_in)} alone", new)
    if new.decision is not Decision.APPROVE or old.decision is not Decision.APPROVE:
        return ""
    if _votes(new) > _votes(old):
        return _worded(f"asks for {_votes(new)} approvals, and asked for {_votes(old)}", new)
    if not all(any(_is_within(before, now) for before in _every(old)) for now in _every(new)):
        return _worded("names other people who may approve it", new)
    return ""


def unoverridable(override: ChangeOverride | None, new: Ruling) -> str:
    """Report that a new ruling does not let its asker run a change without votes, as they did; empty if it does."""
    if override is None or new.decision is not Decision.APPROVE:
        return ""
    lists = new.override_names
    if lists and all(not set(override.among).isdisjoint(names) for names in lists):
        return ""
    return _worded("does not let its asker run it without votes", new)


def overdue(new: Ruling, waited: float, life: float) -> str:
    """Report that a hold has waited longer than a new ruling lets it; times in seconds."""
    if new.decision is not Decision.APPROVE or waited <= life:
        return ""
    return _worded(f"gives people {life / 60:.0f} minutes for it, and they are over", new)


def _asked(ruling: Ruling) -> str:
    if ruling.decision is Decision.CONFIRM:
        return "a confirmation by the asker's own human"
    return f"{_votes(ruling)} approvals" if _votes(ruling) > 1 else "an approval"


def _votes(ruling: Ruling) -> int:
    return max(ruling.votes, 1)


def _every(ruling: Ruling) -> Sequence[Approvers]:
    return ruling.requirements or (ruling.approvers,)


def _is_within(inner: Approvers, outer: Approvers) -> bool:
    """Return whether one list of approvers includes the other; names of people count in any case."""
    people = {name.lower() for name in inner.people} <= {name.lower() for name in outer.people}
    return people and set(inner.groups) <= set(outer.groups) and set(inner.channels) <= set(outer.channels)


def _worded(what: str, ruling: Ruling) -> str:
    rule_names = [*ruling.rules[:MOST_RULES], *(["…"] if len(ruling.rules) > MOST_RULES else [])]
    text = f"The policy now {what}. {ruling.reason}".strip()
    return f"{text} Rules: {', '.join(rule_names)}." if rule_names else text
