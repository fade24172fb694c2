"""One ruling over all members of a plan: the strictest, with every requirement of the rules behind it."""

from collections.abc import Iterable, Sequence
from typing import Final

from vpsops.core.identity.actors import union_of
from vpsops.core.policy.decision import PartRuling, Ruling

LONGEST_REASON: Final = 600
SLACK: Final = "slack"


def strictest(rulings: Sequence[Ruling]) -> Ruling:
    """Return the ruling that is at least as strict as each of several; rules that share no place leave Slack."""
    rank = max(ruling.decision.rank for ruling in rulings)
    decisive = tuple(dict.fromkeys(ruling for ruling in rulings if ruling.decision.rank == rank))
    milder = [ruling for ruling in rulings if ruling.decision.rank < rank]
    requirements = tuple(
        dict.fromkeys(need for ruling in decisive for need in ruling.requirements or (ruling.approvers,) if need)
    )
    return Ruling(
        decision=decisive[0].decision,
        rules=tuple(dict.fromkeys(rule for ruling in (*decisive, *milder) for rule in ruling.rules)),
        votes=max(ruling.votes for ruling in decisive),
        approvers=union_of(requirements),
        reason=_reason(decisive),
        policy=decisive[0].policy,
        requirements=requirements,
        expires=min((ruling.expires for ruling in decisive if ruling.expires), default=0.0),
        confirm_in=_places(decisive),
    )


def part_rulings(rulings: Iterable[tuple[str, Ruling]]) -> tuple[PartRuling, ...]:
    """Return the strictest ruling about each part, in their order; where they differ, those that decide are marked."""
    parts: dict[str, list[Ruling]] = {}
    for part, ruling in rulings:
        parts.setdefault(part, []).append(ruling)
    strict = {part: strictest(of_part) for part, of_part in parts.items()}
    ranks = {ruling.decision.rank for ruling in strict.values()}
    decisive = max(ranks) if len(ranks) > 1 else None
    return tuple(PartRuling(part, ruling, ruling.decision.rank == decisive) for part, ruling in strict.items())


def _reason(rulings: Sequence[Ruling]) -> str:
    text = " ".join(dict.fromkeys(ruling.reason for ruling in rulings if ruling.reason))
    return text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 1]}…"


def _places(rulings: Sequence[Ruling]) -> tuple[str, ...]:
    named = [ruling.confirm_in for ruling in rulings if ruling.confirm_in]
    shared = tuple(place for place in named[0] if all(place in places for places in named)) if named else ()
    return shared or ((SLACK,) if named else ())
