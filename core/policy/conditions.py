"""The conditions of a rule, and their three answers: true, false, unknown."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vpsops.core.identity.actors import SLACK
from vpsops.core.policy.context import BILLED, NormalizedContext, ServerPatterns, servers_cover
from vpsops.core.policy.hours import Hours
from vpsops.core.wayscloud.answers.labels import has_term

EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
SLACK_ID = re.compile(r"[uw][a-z0-9]{1,30}")

Check = Callable[[NormalizedContext], bool | None]
"""One condition; None when the fact it is about is not known."""


@dataclass(frozen=True, slots=True)
class RuleConditions:
    """The conditions of a rule, in lower case; an empty one holds always, and all must hold."""

    operation: frozenset[str] = frozenset()
    risk: frozenset[str] = frozenset()
    server: frozenset[str] = frozenset()
    actor: frozenset[str] = frozenset()
    group: frozenset[str] = frozenset()
    person: frozenset[str] = frozenset()
    origin: frozenset[str] = frozenset()
    region: frozenset[str] = frozenset()
    label: frozenset[str] = frozenset()
    cost_above: float | None = None
    hours: Hours | None = None

    def checks(self) -> tuple[tuple[str, Check], ...]:
        """Return the conditions that were given, by name, the cheapest first."""
        made: Sequence[tuple[str, object, Callable[[], Check]]] = (
            ("operation", self.operation, lambda: _operation(self.operation)),
            ("risk", self.risk, lambda: _risk(self.risk)),
            ("actor", self.actor, lambda: _actor(self.actor)),
            ("origin", self.origin, lambda: _origin(self.origin)),
            ("person", self.person, lambda: _person(self.person)),
            ("group", self.group, lambda: _group(self.group)),
            ("region", self.region, lambda: _region(self.region)),
            ("label", self.label, lambda: _label(self.label)),
            ("server", self.server, lambda: _server(self.server)),
            ("cost_above", self.cost_above is not None, lambda: _cost(self.cost_above or 0.0)),
            ("hours", self.hours, lambda: _hours(self.hours)),
        )
        return tuple((name, make()) for name, values, make in made if values)

    def covers(self, other: "RuleConditions") -> bool:
        """Return whether this holds whenever the other does, operation and risk aside, as far as the patterns show."""
        sets = ("actor", "group", "person", "origin", "region", "label")
        if not all(_is_within(getattr(other, name), getattr(self, name)) for name in sets):
            return False
        servers = not self.server or (bool(other.server) and servers_cover(self.server, other.server))
        dearer = self.cost_above is None or (other.cost_above is not None and other.cost_above >= self.cost_above)
        times = self.hours is None or (other.hours is not None and self.hours.cover(other.hours))
        return servers and dearer and times


def _is_within(inner: frozenset[str], outer: frozenset[str]) -> bool:
    return not outer or (bool(inner) and inner <= outer)


def _operation(accepted: frozenset[str]) -> Check:
    return lambda seen: seen.facts.operation in accepted


def _risk(accepted: frozenset[str]) -> Check:
    return lambda seen: seen.facts.risk.value in accepted


def _actor(accepted: frozenset[str]) -> Check:
    return lambda seen: seen.facts.actor.kind.value in accepted


def _origin(accepted: frozenset[str]) -> Check:
    return lambda seen: seen.facts.origin in accepted


def _person(accepted: frozenset[str]) -> Check:
    """A person has a Slack id and an e-mail address: where a requester's is not known, it may be the expected id."""
    kinds = {kind for accepted_type in accepted for kind in _kinds(accepted_type)}

    def check(seen: NormalizedContext) -> bool | None:
        if not accepted.isdisjoint(seen.people):
            return True
        known = {kind for human in seen.facts.actor.humans for kind in _kinds(human.removeprefix(SLACK))}
        return False if seen.knows_human and kinds <= known else None

    return check


def _kinds(ident: str) -> tuple[str, ...]:
    if EMAIL.fullmatch(ident):
        return ("e-mail",)
    return ("Slack id",) if SLACK_ID.fullmatch(ident) else ()


def _group(accepted: frozenset[str]) -> Check:
    return lambda seen: None if seen.groups is None else not accepted.isdisjoint(seen.groups)


def _region(accepted: frozenset[str]) -> Check:
    def check(seen: NormalizedContext) -> bool | None:
        if seen.facts.target is None:
            return False
        return None if seen.region is None else seen.region in accepted

    return check


def _label(accepted: frozenset[str]) -> Check:
    return lambda seen: False if seen.facts.target is None else has_term(seen.labels, accepted)


def _server(accepted: frozenset[str]) -> Check:
    servers = ServerPatterns.of(accepted)
    return lambda seen: False if seen.facts.target is None else servers.hold(seen.ident, seen.hostname)


def _cost(limit: float) -> Check:
    def check(seen: NormalizedContext) -> bool | None:
        if seen.facts.operation not in BILLED:
            return False
        return None if seen.cost is None else seen.cost > limit

    return check


def _hours(hours: Hours | None) -> Check:
    return lambda seen: hours is None or hours.hold(seen.facts.now)
