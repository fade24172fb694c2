"""The consequences of another policy: the same requests decided by both, over everything that their rules distinguish.

A rule-by-rule comparison does not show whether agents may do more than before. Here made-up requests are decided by
both policies, one for each combination of operation, requester, server, region, price, place and hour that any of
their rules distinguishes, and the decisions that differ are put together.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import product
from math import prod
from typing import Final

from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.target import Target
from vpsops.core.policy.calendar import Freeze
from vpsops.core.policy.conditions import EMAIL
from vpsops.core.policy.context import BILLED, PolicyContext
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.policy.hours import DAY, WEEK, Hours
from vpsops.core.policy.lint import about_a_server
from vpsops.core.policy.model import Policy

MOST: Final = 40_000
"""The most requests that are compared, about two seconds of work; beyond it every second value is left out."""
ANY: Final = ""
OTHER_SERVER: Final = "xqzj.invalid"
MONDAY: Final = datetime(2026, 6, 1, tzinfo=UTC)
"""A week without a change of clocks."""


class Direction(StrEnum):
    """The meaning of a difference for the requester."""

    MILDER = "milder"
    STRICTER = "stricter"
    OTHER = "otherwise"


@dataclass(frozen=True, slots=True)
class Point:
    """One made-up request, by the labels of its distinguishing values; an empty label means any."""

    operation: str
    actor: str
    who: str = ANY
    server: str = ANY
    region: str = ANY
    label: str = ANY
    cost: str = ANY
    origin: str = ANY
    time: str = ANY


@dataclass(frozen=True, slots=True)
class Consequence:
    """Requests with another decision, and both decisions."""

    direction: Direction
    before: str
    after: str
    points: tuple[Point, ...]

    @property
    def lines(self) -> list[str]:
        """Return one line for each kind of request."""
        return [f"{_point_text(point)}: {self.before} -> {self.after}" for point in self.points]


@dataclass(frozen=True, slots=True)
class Consequences:
    """All of them; `whole` unless there were too many combinations to compare each."""

    items: tuple[Consequence, ...]
    whole: bool = True


Dimension = Mapping[str, Callable[[PolicyContext], PolicyContext]]
"""Labels, and the change that each of them makes to a request."""


def consequences(before: Policy, after: Policy) -> Consequences:
    """Return the requests that two policies decide differently."""
    dimensions, whole = _bounded(_dimensions((before, after)))
    differences: dict[tuple[Direction, str, str], set[Point]] = defaultdict(set)
    for operation, kind in product(OPERATIONS.values(), ActorKind):
        own = [_applicable(name, made, operation) for name, made in dimensions.items()]
        for labels in product(*own):
            facts = _request(operation, kind)
            for name, label in zip(dimensions, labels, strict=True):
                facts = dimensions[name][label](facts) if label in dimensions[name] else facts
            old, new = before.decide(facts), after.decide(facts)
            if _outcome(old) != _outcome(new):
                point = Point(operation.name, kind.value, **dict(zip(dimensions, labels, strict=True)))
                differences[_direction(old, new), _words(old), _words(new)].add(point)
    every = [
        Consequence(direction, old, new, _joined(points, dimensions))
        for (direction, old, new), points in differences.items()
    ]
    order = list(Direction)
    return Consequences(tuple(sorted(every, key=lambda effect: (order.index(effect.direction), effect.lines))), whole)


def _request(operation: Operation, kind: ActorKind) -> PolicyContext:
    someone = Actor(kind, "u0xqzj", human="u0xqzj", aliases=("xqzj@example.invalid",), groups=("s0xqzj",))
    target = Target("xqzj", OTHER_SERVER, region="xqzj", labels=()) if about_a_server(operation) else None
    cost = 0.0 if operation.name in BILLED else None
    return PolicyContext(operation.name, operation.risk, someone, "mcp", MONDAY, target, "xqzj" if target else "", cost)


def _applicable(name: str, made: Dimension, operation: Operation) -> Sequence[str]:
    without = (name in {"server", "region", "label"} and not about_a_server(operation)) or (
        name == "cost" and operation.name not in BILLED
    )
    return (ANY,) if without or not made else tuple(made)


def _dimensions(policies: Sequence[Policy]) -> dict[str, Dimension]:
    matches = [rule.match for policy in policies for rule in policy.rules]
    freezes = [freeze for policy in policies for freeze in policy.calendar.freezes]
    choices = [choice for freeze in freezes for choice in freeze.choices]
    people, groups = _named(match.person for match in matches), _named(match.group for match in matches)
    who: dict[str, Callable[[PolicyContext], PolicyContext]] = {name: _as_person(name) for name in people}
    who |= {f"group {name}": _in_group(name) for name in groups}
    servers = {
        word: _on(_example(word))
        for word in _named([*(match.server for match in matches), *(choice.servers for choice in choices)])
    }
    regions = {name: _within(name) for name in _named(match.region for match in matches)}
    labels = {
        word: _labelled(word)
        for word in _named([*(match.label for match in matches), *(choice.labels for choice in choices)])
    }
    origins = {name: _from(name) for name in ("slack", "mcp", "cli")} if any(match.origin for match in matches) else {}
    return {
        "who": who | ({"others": lambda facts: facts} if who else {}),
        "server": servers | ({"other servers": lambda facts: facts} if servers else {}),
        "region": regions | ({"other regions": lambda facts: facts} if regions else {}),
        "label": labels | ({"other labels": lambda facts: facts} if labels else {}),
        "cost": _costs({match.cost_above for match in matches if match.cost_above is not None}),
        "origin": origins,
        "time": {
            **_times([*(match.hours for match in matches if match.hours is not None), *_window_hours(freezes)]),
            **_frozen_times(freezes),
        },
    }


def _named(words: Iterable[frozenset[str]]) -> list[str]:
    return sorted(frozenset[str]().union(*words))


def _example(word: str) -> str:
    """Return a server that a pattern means."""
    made, rest = "", word
    while rest:
        if rest[0] == "[":
            inside, _, rest = rest[1:].partition("]")
            made += "q" if inside.startswith("!") else inside[0]
            continue
        made, rest = made + {"*": "xqzj", "?": "q"}.get(rest[0], rest[0]), rest[1:]
    return made


def _as_person(name: str) -> Callable[[PolicyContext], PolicyContext]:
    email = bool(EMAIL.fullmatch(name))

    def made(facts: PolicyContext) -> PolicyContext:
        known = ("u0xqzj", name) if email else (name, "xqzj@example.invalid")
        return replace(facts, actor=replace(facts.actor, id=known[0], human=known[0], aliases=(known[1],)))

    return made


def _in_group(name: str) -> Callable[[PolicyContext], PolicyContext]:
    return lambda facts: replace(facts, actor=replace(facts.actor, groups=(name,)))


def _on(hostname: str) -> Callable[[PolicyContext], PolicyContext]:
    return lambda facts: replace(facts, target=replace(facts.target or Target("", ""), id=hostname, hostname=hostname))


def _within(region: str) -> Callable[[PolicyContext], PolicyContext]:
    return lambda facts: replace(facts, region=region)


def _labelled(word: str) -> Callable[[PolicyContext], PolicyContext]:
    labels = (word if "=" in word else f"{word}=xqzj",)
    return lambda facts: replace(facts, target=replace(facts.target or Target("", ""), labels=labels))


def _from(origin: str) -> Callable[[PolicyContext], PolicyContext]:
    return lambda facts: replace(facts, origin=origin)


def _at(now: datetime) -> Callable[[PolicyContext], PolicyContext]:
    return lambda facts: replace(facts, now=now)


def _costs(limits: set[float]) -> Dimension:
    if not limits:
        return {}
    bounds = sorted(limits)
    made = {f"costing up to {bounds[0]:g}": _priced(bounds[0])}
    for low, high in zip(bounds, [*bounds[1:], None], strict=True):
        label = f"costing over {low:g}" + (f" up to {high:g}" if high is not None else "")
        made[label] = _priced(low + 1e9 if high is None else high)
    return made


def _priced(cost: float) -> Callable[[PolicyContext], PolicyContext]:
    return lambda facts: replace(facts, cost=cost if facts.operation in BILLED else None)


def _times(hours: Sequence[Hours]) -> Dimension:
    """Return a moment after each change of any rule's hours, by the clock of that rule's zone."""
    moments: dict[str, Callable[[PolicyContext], PolicyContext]] = {}
    seen: set[tuple[bool, ...]] = set()
    for item in hours:
        for minute in _turns(item.minutes):
            wall = (MONDAY + timedelta(minutes=minute)).replace(tzinfo=item.zone)
            kind = tuple(other.hold(wall) for other in hours)
            if kind not in seen:
                seen.add(kind)
                moments[f"{wall:%a %H:%M} {item.zone.key}"] = _at(wall)
    return moments


def _window_hours(freezes: Sequence[Freeze]) -> list[Hours]:
    return [freeze.window.hours for freeze in freezes if freeze.window is not None]


def _frozen_times(freezes: Sequence[Freeze]) -> Dimension:
    """Return a moment in each freeze that has dates, and one in none of them."""
    dated = {f"in the freeze {freeze.name}": _at(freeze.begins) for freeze in freezes if freeze.begins is not None}
    return dated | ({"another time": _at(MONDAY)} if dated else {})


def _turns(minutes: int) -> list[int]:
    before = (minutes << 1 | minutes >> (7 * DAY - 1)) & WEEK
    turned = minutes ^ before
    return [minute for minute in range(7 * DAY) if turned >> minute & 1] or [0]


def _bounded(dimensions: dict[str, Dimension]) -> tuple[dict[str, Dimension], bool]:
    whole = True
    while 2 * len(OPERATIONS) * prod(max(len(made), 1) for made in dimensions.values()) > MOST:
        whole = False
        longest = max(dimensions, key=lambda name: len(dimensions[name]))
        dimensions = {**dimensions, longest: dict(list(dimensions[longest].items())[::2])}
    return dimensions, whole


def _outcome(ruling: Ruling) -> tuple[object, ...]:
    asked = tuple(sorted(str(requirement) for requirement in ruling.requirements))
    overrides = tuple(sorted(str(overriders) for overriders in ruling.overrides))
    return (ruling.decision, ruling.votes, asked, ruling.expires, ruling.confirm_in, ruling.grant_terms, overrides)


def _direction(old: Ruling, new: Ruling) -> Direction:
    before, after = ((*_strictness(ruling), int(not ruling.overrides)) for ruling in (old, new))
    if before == after:
        return Direction.OTHER
    return Direction.MILDER if after < before else Direction.STRICTER


def _strictness(ruling: Ruling) -> tuple[float, ...]:
    terms = ruling.grant_terms
    return (ruling.decision.rank, ruling.votes, -terms.seconds if terms else 0.0, -terms.uses if terms else 0)


def _words(ruling: Ruling) -> str:
    if ruling.decision is not Decision.APPROVE:
        places = f" (agents in {' or '.join(ruling.confirm_in)})" if ruling.confirm_in else ""
        return f"{ruling.decision.value}{places}"
    of = ruling.approvers
    among = ", ".join((*of.groups, *of.people, *of.channels))
    waits = f", within {ruling.expires / 60:g} min" if ruling.expires else ""
    grants = f", grants: {ruling.grant_terms.words}" if ruling.grant_terms else ""
    alone = f"; {ruling.override_text} may override" if ruling.overrides else ""
    return f"approve ({ruling.votes} of {among}{waits}{grants}{alone})"


def _joined(points: set[Point], dimensions: Mapping[str, Dimension]) -> tuple[Point, ...]:
    """Merge points that differ in one label only: all values of it are any, some are listed."""
    for name in ("time", "origin", "cost", "label", "region", "who", "server", "actor", "operation"):
        together: dict[Point, set[str]] = defaultdict(set)
        for point in points:
            together[replace(point, **{name: ANY})].add(getattr(point, name))
        every = {kind.value for kind in ActorKind} if name == "actor" else set(dimensions.get(name, ()))
        points = {
            replace(point, **{name: ANY if values == every else ", ".join(sorted(values))})
            for point, values in together.items()
        }
    return tuple(sorted(points, key=lambda point: (point.operation, point.actor, point.who, point.server)))


def _point_text(point: Point) -> str:
    who = {"person": "people", "agent": "agents", ANY: "people and agents"}[point.actor]
    parts = [
        f"{who} ({point.who})" if point.who else who,
        point.operation,
        f"on {point.server}" if point.server else "",
        f"in {point.region}" if point.region else "",
        f"labelled {point.label}" if point.label else "",
        point.cost,
        f"from {point.origin}" if point.origin else "",
        f"such as {point.time}" if point.time else "",
    ]
    return " ".join(part for part in parts if part)
