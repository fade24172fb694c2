"""Loads `[[rule]]` of `vpsops.toml`, strictly: an unknown, impossible or pointless entry refuses to start."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from vpsops.core.common import timings
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.config_file import ConfigFile, parse_config
from vpsops.core.config.schema import nearest_hint, safe_word, schema_problem
from vpsops.core.config.settings import Settings
from vpsops.core.config.toml_locations import TomlTable
from vpsops.core.identity.actors import Approvers
from vpsops.core.policy.calendar import Calendar
from vpsops.core.policy.calendar_loader import CALENDAR_SECTIONS, calendar_in
from vpsops.core.policy.conditions import RuleConditions
from vpsops.core.policy.config_schema import APPROVERS, WrittenRule
from vpsops.core.policy.decision import Decision, GrantTerms
from vpsops.core.policy.defaults import OWN_CHANNEL, default_rules
from vpsops.core.policy.hours import Hours
from vpsops.core.policy.lint import makes_pointless, needs_approval_rule, rule_problems
from vpsops.core.policy.model import Policy, Rule, policy_of
from vpsops.core.wayscloud.answers.labels import label_term
from vpsops.core.wayscloud.answers.models import canonical_region

SECTIONS = ("settings", "workspace", "rule", "limits", "mcp", *CALENDAR_SECTIONS)  # the top-level keys of `vpsops.toml`
MAX_RULES = 500
DURATION = re.compile(r"^(\d{1,6})\s*(m|h|d)$")
UNIT = {"m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST: Final = timings.HOLD_DAYS * timings.DAY_SECONDS


@dataclass(frozen=True, slots=True)
class RuleLocation:
    """A rule's place in its file, for messages."""

    path: str
    table: TomlTable

    def error(self, key: Sequence[str], message: str, hint: str = "") -> ConfigurationError:
        """Return an error with file and line."""
        return ConfigurationError(f"{self.path}:{self.table.key(*key)}: {message}", hint=hint)


def load_policy(settings: Settings) -> Policy:
    """Return the policy of the configured file, or the embedded one where it has no rule.

    Raises `ConfigurationError` with file, line and a hint.
    """
    channel = OWN_CHANNEL if settings.slack_client_id else settings.approval_channel
    return policy_in(settings.config_file, channel)


def parse_policy(text: str, path: str, approval_channel: str = "") -> Policy:
    """Return the policy of a TOML text, or the embedded one where it has no rule; raises `ConfigurationError`."""
    return policy_in(parse_config(text, path), approval_channel)


def policy_in(file: ConfigFile, approval_channel: str) -> Policy:
    """Return the policy of a file, or the embedded one where it has no rule; raises `ConfigurationError`."""
    for name in file.data:
        if name not in SECTIONS:
            raise file.error(file.line(name), f"unknown section {safe_word(name)}.", nearest_hint(name, SECTIONS))
    written = _written(file)
    places = [RuleLocation(file.path, table) for table in file.elements("rule")]
    rules = [_rule(rule, place, approval_channel) for rule, place in zip(written, places, strict=True)]
    _check_destructive(rules, file.path)
    _check_together(rules, file.path)
    calendar = calendar_in(file)
    _check_freezes(rules, calendar, file.path)
    return policy_of(rules or default_rules(approval_channel), calendar)


def _written(file: ConfigFile) -> list[Any]:
    written, line = file.data.get("rule"), file.line("rule")
    if written is None:
        return []
    if not isinstance(written, list):
        raise file.error(line, "rules are written as [[rule]], in double brackets.")
    if not written:
        raise file.error(line, "there is no rule in rule = [].", "Remove the line to run under the embedded policy.")
    if len(written) > MAX_RULES:
        raise ConfigurationError(
            f"{file.path}: {len(written)} rules are more than {MAX_RULES}.", hint="Use lists in rules."
        )
    return written


def _rule(raw: Any, place: RuleLocation, approval_channel: str) -> Rule:
    written = _checked(raw, place)
    decision = Decision(written.decision)
    return Rule(
        id=written.id,
        match=_match(written, place),
        decision=decision,
        votes=(written.votes or 1) if decision is Decision.APPROVE else 0,
        approvers=_approvers(written, place, approval_channel),
        reason=written.reason,
        expires=_expires(written, place),
        confirm_in=written.confirm_in,
        destructive_without_approval=written.destructive_without_approval,
        during_freeze=written.during_freeze,
        grant=_grant(written, place),
        override=_override(written),
        line=place.table.line,
    )


def rule_of(raw: Any, source: str, approval_channel: str) -> Rule:
    """Return one rule from a source other than a file; raises `ConfigurationError`."""
    return _rule(raw, RuleLocation(source, TomlTable(("rule",), 0)), approval_channel)


def _checked(raw: Any, place: RuleLocation) -> WrittenRule:
    try:
        written = WrittenRule.model_validate(raw)
    except ValidationError as error:
        problem = schema_problem(error, WrittenRule, "rule")
        named = raw.get("id") if isinstance(raw, dict) else None
        about = f"rule {safe_word(named)}: " if isinstance(named, str) else ""
        raise place.error(problem.key, about + problem.message, problem.hint) from None
    misfit = next(rule_problems(written), None)
    if misfit is not None:
        raise place.error((misfit.key,), f"rule {written.id}: {misfit.message}", misfit.hint)
    return written


def _match(rule: WrittenRule, place: RuleLocation) -> RuleConditions:
    return RuleConditions(
        operation=frozenset(rule.operation),
        risk=frozenset(rule.risk),
        server=frozenset(word.lower().rstrip(".") for word in rule.server),
        actor=frozenset(rule.actor),
        group=_lower(rule.group),
        person=_lower(rule.person),
        origin=frozenset(rule.origin),
        region=frozenset(canonical_region(word) for word in rule.region),
        label=frozenset(label_term(word) for word in rule.label),
        cost_above=rule.cost_above,
        hours=_hours(rule, place),
    )


def _lower(words: Sequence[str]) -> frozenset[str]:
    return frozenset(word.lower() for word in words)


def _hours(rule: WrittenRule, place: RuleLocation) -> Hours | None:
    if rule.time_zone is None:
        return None
    try:
        return Hours.parse(rule.hours, rule.outside_hours, rule.time_zone)
    except ValueError as error:
        at = "time_zone" if "time zone" in str(error) else "hours" if rule.hours else "outside_hours"
        raise place.error((at,), f"rule {rule.id}: {error}.") from None


def _approvers(rule: WrittenRule, place: RuleLocation, approval_channel: str) -> Approvers:
    if rule.decision != "approve":
        return Approvers()
    if rule.approvers is not None:
        return Approvers(rule.approvers.groups, rule.approvers.people, rule.approvers.channels)
    if approval_channel:
        return Approvers(channels=(approval_channel,))
    raise place.error(
        ("decision",),
        f"rule {rule.id}: no one could approve.",
        'Name approvers = { groups = ["S…"] }, or set VPSOPS_APPROVAL_CHANNEL.',
    )


def _grant(rule: WrittenRule, place: RuleLocation) -> GrantTerms | None:
    if rule.grant is None:
        return None
    seconds = _seconds(rule.grant.max)
    if not timings.SHORTEST_GRANT_SECONDS <= seconds <= timings.DAY_SECONDS:
        raise place.error(("grant", "max"), f"rule {rule.id}: grant.max is a time from 5m to 24h, such as 30m or 2h.")
    servers = tuple(sorted(word.lower().rstrip(".") for word in rule.server))
    return GrantTerms(seconds, rule.grant.uses, servers, tuple(sorted(_lower(rule.grant.states))))


def _seconds(text: str) -> float:
    """Return a written time in seconds; 0 for what is none."""
    match = DURATION.match(text.strip())
    return int(match[1]) * UNIT[match[2]] if match else 0.0


def _override(rule: WrittenRule) -> Approvers:
    groups = APPROVERS["groups"][0]
    return Approvers(
        groups=tuple(word for word in rule.override if groups.fullmatch(word)),
        people=tuple(word for word in rule.override if not groups.fullmatch(word)),
    )


def _expires(rule: WrittenRule, place: RuleLocation) -> float:
    if rule.expires is None:
        return 0.0
    seconds = _seconds(rule.expires)
    if not UNIT["m"] <= seconds <= LONGEST:
        raise place.error(("expires",), f"rule {rule.id}: expires is a time from 1m to 7d, such as 30m or 2h.")
    return seconds


def _check_destructive(rules: Sequence[Rule], path: str) -> None:
    """Refuse rules that are too mild for all that they are about; a policy in force may have them."""
    for rule in filter(needs_approval_rule, rules):
        raise ConfigurationError(
            f"{path}:{rule.line}: rule {rule.id} says {rule.decision.value} of what cannot be undone, which needs an"
            " approval.",
            hint='Write decision = "approve"; or, with actor = "person", destructive_without_approval = true.',
        )


def _check_freezes(rules: Sequence[Rule], calendar: Calendar, path: str) -> None:
    known = tuple(freeze.name for freeze in calendar.freezes)
    for rule in rules:
        unknown = next((name for name in rule.during_freeze if name not in known), None)
        if unknown is not None:
            hint = nearest_hint(unknown, known) if known else "Freezes are written as [[freeze]]."
            raise ConfigurationError(
                f"{path}:{rule.line}: rule {rule.id}: there is no freeze {safe_word(unknown)}.", hint=hint
            )


def _check_together(rules: Sequence[Rule], path: str) -> None:
    seen: dict[str, Rule] = {}
    for rule in rules:
        twin = seen.setdefault(rule.id, rule)
        if twin is not rule:
            raise ConfigurationError(f"{path}:{rule.line}: rule {rule.id} is there already, in line {twin.line}.")
    for rule in rules:
        cover = next((other for other in rules if other is not rule and makes_pointless(other, rule)), None)
        if cover is not None:
            raise ConfigurationError(
                f"{path}:{rule.line}: rule {rule.id} can never matter: rule {cover.id} in line {cover.line} "
                f"matches whenever it does and says {cover.decision.value}.",
                hint="Remove one of them, or make their conditions differ.",
            )
