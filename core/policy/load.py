"""Loads `[[rule]]` of `vpsops.toml`, strictly: what is unknown, impossible or pointless refuses to start."""

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from core.changes.model import Approvers, Decision
from core.errors import ConfigurationError
from core.operations import OPERATIONS
from core.policy.default import default_rules
from core.policy.hours import Hours
from core.policy.lines import Table, tables
from core.policy.model import Match, Policy, Rule
from core.settings import Settings, read_config
from core.wayscloud.models import canonical_region

SECTIONS = ("settings", "rule")  # what `vpsops.toml` may hold at the top
DURATION = re.compile(r"^(\d+)\s*(m|h|d)$")
UNIT = {"m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST = 7 * 86400.0


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WrittenApprovers(_Strict):
    """Who may vote, as written."""

    groups: Words | None = None
    people: Words | None = None
    channels: Words | None = None


class WrittenRule(_Strict):
    """A rule as written."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    decision: Literal["allow", "confirm", "approve", "deny"]
    operation: Words | None = None
    risk: Words | None = None
    server: Words | None = None
    actor: Words | None = None
    group: Words | None = None
    person: Words | None = None
    origin: Words | None = None
    region: Words | None = None
    cost_above: Annotated[float, Field(ge=0)] | None = None
    hours: str | None = None
    outside_hours: str | None = None
    time_zone: str | None = None
    votes: Annotated[int, Field(ge=1, le=20)] | None = None
    approvers: WrittenApprovers | None = None
    expires: str | None = None
    reason: Annotated[str, Field(max_length=300)] = ""


VALUES = {
    "operation": tuple(OPERATIONS),
    "risk": ("read", "change", "disruptive", "destructive"),
    "actor": ("person", "agent"),
    "origin": ("slack", "mcp", "cli"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A rule's place in its file, for messages."""

    path: str
    table: Table

    def error(self, key: str, message: str, hint: str = "") -> ConfigurationError:
        """Return an error with file and line."""
        line = self.table.keys.get(key, self.table.line)
        return ConfigurationError(f"{self.path}:{line}: {message}", hint=hint)


def load_policy(settings: Settings) -> Policy:
    """Return the policy of the configured file, or the embedded one where it has no rule.

    Raises `ConfigurationError` with file, line and a hint.
    """
    if settings.config is None:
        return policy_of(default_rules(settings.approval_channel))
    text = _text(settings.config)
    return parse_policy(text, str(settings.config), settings.approval_channel)


def _text(path: Path) -> str:
    read_config(str(path))  # says in words what cannot be read or parsed
    return path.read_text(encoding="utf-8")


def parse_policy(text: str, path: str, approval_channel: str = "") -> Policy:
    """Return the policy of a valid TOML text, or the embedded one where it has no rule."""
    data = tomllib.loads(text)
    places = tables(text)
    _check_sections(data, path, places)
    written = data.get("rule", [])
    if not isinstance(written, list):
        raise ConfigurationError(f"{path}: rules are written as [[rule]], in double brackets.")
    headers = [table for table in places if table.name == "rule"]
    rules = [
        _rule(one, Place(path, headers[index] if index < len(headers) else Table("rule", 1)), approval_channel)
        for index, one in enumerate(written)
    ]
    _check_together(rules, path)
    return policy_of(rules or default_rules(approval_channel))


def policy_of(rules: Sequence[Rule]) -> Policy:
    """Return a policy of rules, with the version that follows from them."""
    canonical = json.dumps([_canonical(rule) for rule in rules], sort_keys=True)
    return Policy(tuple(rules), f"pol_{hashlib.sha256(canonical.encode()).hexdigest()[:8]}")


def _canonical(rule: Rule) -> list[str]:
    match = {name: getattr(rule.match, name) for name in Match.__slots__}
    shown = {name: sorted(value) if isinstance(value, frozenset) else repr(value) for name, value in match.items()}
    return [
        rule.id,
        json.dumps(shown, sort_keys=True),
        rule.decision,
        str(rule.votes),
        repr(rule.approvers),
        str(rule.expires),
    ]


def _check_sections(data: dict[str, Any], path: str, places: Sequence[Table]) -> None:
    for name in data:
        if name not in SECTIONS:
            line = next(
                (table.line for table in places if table.name.split(".")[0] == name), places[0].keys.get(name, 1)
            )
            raise ConfigurationError(f"{path}:{line}: unknown section {name}.", hint=_did_you_mean(name, SECTIONS))


def _rule(written: Any, place: Place, approval_channel: str) -> Rule:
    try:
        rule = WrittenRule.model_validate(written)
    except ValidationError as error:
        raise _first(error, place) from None
    _check_values(rule, place)
    decision = Decision(rule.decision)
    return Rule(
        id=rule.id,
        match=_match(rule, place),
        decision=decision,
        votes=(rule.votes or 1) if decision is Decision.APPROVE else 0,
        approvers=_approvers(rule, place, approval_channel),
        reason=rule.reason,
        expires=_expires(rule, place),
        line=place.table.line,
    )


def _first(error: ValidationError, place: Place) -> ConfigurationError:
    errors = error.errors(include_url=False, include_input=False)
    first = next(
        (one for one in errors if one["type"] == "extra_forbidden"), errors[0]
    )  # a slip of the pen explains more
    key = str(first["loc"][0]) if first["loc"] else "rule"
    name = ".".join(str(part) for part in first["loc"] if isinstance(part, str)) or "rule"
    if first["type"] == "extra_forbidden":
        nested = len(first["loc"]) > 1
        known = tuple((WrittenApprovers if nested else WrittenRule).model_fields)
        return place.error(key, f"unknown key {name}.", _did_you_mean(str(first["loc"][-1]), known))
    return place.error(key, f"{name}: {first['msg'][:1].lower()}{first['msg'][1:]}.")


def _check_values(rule: WrittenRule, place: Place) -> None:
    for key, known in VALUES.items():
        for word in getattr(rule, key) or ():
            if word not in known:
                raise place.error(key, f"rule {rule.id}: unknown {key} {word}.", _did_you_mean(word, known))
    _check_fit(rule, place)


def _check_fit(rule: WrittenRule, place: Place) -> None:
    named = [OPERATIONS[name].risk.value for name in rule.operation or ()]
    if named and rule.risk and not set(named) & set(rule.risk):
        raise place.error("risk", f"rule {rule.id}: none of its operations has that risk, so it never matches.")
    for key in ("votes", "approvers", "expires"):
        if rule.decision != "approve" and getattr(rule, key) is not None:
            raise place.error(key, f'rule {rule.id}: {key} goes with decision = "approve" only.')
    if (rule.hours or rule.outside_hours) and not rule.time_zone:
        raise place.error("hours", f"rule {rule.id}: hours need a time_zone.", 'For example time_zone = "Europe/Oslo".')


def _match(rule: WrittenRule, place: Place) -> Match:
    def lower(words: tuple[str, ...] | None) -> frozenset[str]:
        return frozenset(word.lower() for word in words or ())

    return Match(
        operation=frozenset(rule.operation or ()),
        risk=frozenset(rule.risk or ()),
        server=lower(rule.server),
        actor=frozenset(rule.actor or ()),
        group=lower(rule.group),
        person=lower(rule.person),
        origin=frozenset(rule.origin or ()),
        region=frozenset(canonical_region(word) for word in rule.region or ()),
        cost_above=rule.cost_above,
        hours=_hours(rule, "hours", place),
        outside_hours=_hours(rule, "outside_hours", place),
    )


def _hours(rule: WrittenRule, key: str, place: Place) -> Hours | None:
    text = getattr(rule, key)
    if text is None:
        return None
    try:
        return Hours.parse(text, rule.time_zone or "")
    except ValueError as error:
        raise place.error(key, f"rule {rule.id}: {error}.") from None


def _approvers(rule: WrittenRule, place: Place, approval_channel: str) -> Approvers:
    if rule.decision != "approve":
        return Approvers()
    wanted = rule.approvers or WrittenApprovers()
    approvers = Approvers(tuple(wanted.groups or ()), tuple(wanted.people or ()), tuple(wanted.channels or ()))
    if not approvers and approval_channel:
        return Approvers(channels=(approval_channel,))
    if not approvers:
        raise place.error(
            "decision",
            f"rule {rule.id}: nobody could approve.",
            'Name approvers = { groups = ["S…"] }, or set VPSOPS_APPROVAL_CHANNEL.',
        )
    only_people = approvers.people and not (approvers.groups or approvers.channels)
    if only_people and len(set(approvers.people)) < (rule.votes or 1):
        raise place.error(
            "votes", f"rule {rule.id}: it wants {rule.votes} votes of {len(set(approvers.people))} people."
        )
    return approvers


def _expires(rule: WrittenRule, place: Place) -> float:
    if rule.expires is None:
        return 0.0
    found = DURATION.match(rule.expires.strip())
    seconds = int(found[1]) * UNIT[found[2]] if found else 0.0
    if not UNIT["m"] <= seconds <= LONGEST:
        raise place.error("expires", f"rule {rule.id}: expires is a time from 1m to 7d, such as 30m or 2h.")
    return seconds


def _check_together(rules: Sequence[Rule], path: str) -> None:
    seen: dict[str, Rule] = {}
    for rule in rules:
        twin = seen.setdefault(rule.id, rule)
        if twin is not rule:
            raise ConfigurationError(f"{path}:{rule.line}: rule {rule.id} is there already, in line {twin.line}.")
    for rule in rules:
        cover = next((other for other in rules if other is not rule and _makes_pointless(other, rule)), None)
        if cover is not None:
            raise ConfigurationError(
                f"{path}:{rule.line}: rule {rule.id} can never matter: rule {cover.id} in line {cover.line} "
                f"matches whenever it does and says {cover.decision.value}.",
                hint="Remove one of them, or make their conditions differ.",
            )


def _makes_pointless(cover: Rule, rule: Rule) -> bool:
    if not cover.match.covers(rule.match):
        return False
    if cover.decision is not rule.decision:
        return cover.decision.rank > rule.decision.rank
    same = cover.approvers == rule.approvers and cover.votes >= rule.votes
    earlier = cover.line < rule.line or not rule.match.covers(cover.match)
    return (cover.decision is not Decision.APPROVE or same) and earlier


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
