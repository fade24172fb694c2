"""The policy declared by a process or a file: its rules, limits, workspaces and deciding settings, in one spelling.

What is not declared is taken from the policy in force. So a process without a file runs under the policy of its
database, and one with a different declaration is noticed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.json_types import Json
from vpsops.core.common.redaction import redact
from vpsops.core.common.text import comma_separated
from vpsops.core.common.timings import DEFAULT_TIMING, Timing
from vpsops.core.config.logging import secrets_of
from vpsops.core.config.settings import Settings
from vpsops.core.limits.config_schema import WrittenLimits
from vpsops.core.limits.loader import load_limits
from vpsops.core.policy.calendar_loader import CALENDAR_SECTIONS, WrittenFreeze, WrittenWindow
from vpsops.core.policy.config_schema import WrittenRule
from vpsops.core.policy.defaults import OWN_CHANNEL, default_rules
from vpsops.core.policy.loader import load_policy
from vpsops.core.policy.model import Rule
from vpsops.core.policy_register.document import DECIDING, Document, Table, canonical
from vpsops.core.wayscloud.answers.labels import label_term
from vpsops.core.wayscloud.answers.models import canonical_region
from vpsops.core.workspaces.loader import load_workspaces

SECTIONS: Final = ("rule", "limits", "workspace", *CALENDAR_SECTIONS)
"""The sections of `vpsops.toml` that decide. A file with none of them declares no policy."""
LISTS: Final = frozenset({"VPSOPS_ACCEPT_APPROVERS", "VPSOPS_SLACK_TEAMS"})
LOWERED: Final = frozenset({"server", "group", "person"})
LABEL_LISTS: Final = frozenset({"protected_labels", "protected_labels_from_agents"})
SETS: Final = LOWERED | {"operation", "risk", "actor", "origin", "region", "label"}


@dataclass(frozen=True, slots=True)
class Declaration:
    """The policy declared by a process or a file; an undeclared part is None, or a name that is left out."""

    source: str = ""
    rules: tuple[Table, ...] | None = None
    embedded: bool = False
    limits: Table | None = None
    workspaces: tuple[Table, ...] | None = None
    several: bool | None = None
    windows: tuple[Table, ...] | None = None
    freezes: tuple[Table, ...] | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    holds: Mapping[str, float] | None = None

    @property
    def decides(self) -> bool:
        """Return whether anything is declared; what is not may be whatever is in force."""
        parts = (self.rules, self.limits, self.workspaces, self.several, self.windows, self.freezes, self.holds)
        return self.embedded or bool(self.settings) or any(part is not None for part in parts)

    def document(self, base: Document | None, timing: Timing = DEFAULT_TIMING) -> Document:
        """Return the document that follows from this declaration; undeclared parts are from `base`, or the default."""
        several = _first(self.several, base.several if base else None, False)
        settings = _settings({**(base.settings if base else {}), **self.settings}, several=several)
        embedded = self.embedded if self.rules is not None or self.embedded else base is None or base.embedded
        channel = OWN_CHANNEL if several else settings.get("VPSOPS_APPROVAL_CHANNEL", "")
        rules = self.rules if self.rules is not None else (base.rules if base and not self.embedded else ())
        if embedded and not (rules and base and base.channel == channel):
            rules = tuple(plain_default(rule) for rule in default_rules(channel))
        return Document(
            rules=rules,
            embedded=embedded,
            limits=_first(self.limits, base.limits if base else None, {}),
            workspaces=_first(self.workspaces, base.workspaces if base else None, ()),
            several=several,
            windows=_first(self.windows, base.windows if base else None, ()),
            freezes=_first(self.freezes, base.freezes if base else None, ()),
            settings=settings,
            holds=_first(self.holds, base.holds if base else None, holds_of(timing)),
        )


def _first(declared: Any, base: Any, default: Any) -> Any:
    return declared if declared is not None else base if base is not None else default


def _settings(values: Mapping[str, str], *, several: bool) -> dict[str, str]:
    """Return the settings that decide: one workspace has one channel for its approvers, several have tables."""
    kept = {name: value for name, value in values.items() if value}
    if several:
        kept.pop("VPSOPS_APPROVAL_CHANNEL", None)
    else:
        kept.pop("VPSOPS_SLACK_TEAMS", None)
    if several or "VPSOPS_APPROVAL_CHANNEL" in kept:
        kept.pop("VPSOPS_CHANNEL", None)
    return kept


def holds_of(timing: Timing) -> dict[str, float]:
    """Return how many seconds a hold waits, unless its rule sets another time."""
    return {"confirm": float(timing.confirm_seconds), "approve": float(timing.approve_seconds)}


def declaration_of(settings: Settings, base: Document | None = None, *, whole: bool = False) -> Declaration:
    """Return the declaration of a process, validated; raises `ConfigurationError` with file and line.

    Undeclared settings are those of `base`. With `whole`, a file without rules and limits declares that it has none, as
    a file to be applied does.
    """
    _validate(settings, base)
    content = settings.config_file.data
    decides = whole or any(name in content for name in SECTIONS)
    written = _listed(content.get("rule", []))
    declared = Declaration(
        source=settings.config_file.path,
        rules=tuple(plain_rule(WrittenRule.model_validate(rule)) for rule in written) or None,
        embedded=decides and not written,
        limits=plain_limits(WrittenLimits.model_validate(content.get("limits", {}))) if decides else None,
        workspaces=tuple(_nonempty(table) for table in _listed(content.get("workspace", []))) if decides else None,
        several=_several(settings),
        windows=_calendar(content.get("window", []), WrittenWindow) if decides else None,
        freezes=_calendar(content.get("freeze", []), WrittenFreeze) if decides else None,
        settings=_declared_settings(settings),
    )
    text = canonical(content_of(declared))
    if redact(text, *secrets_of(settings)) != text:
        raise ConfigurationError(
            "What decides holds a configured secret, which the database must not.",
            hint="Look for it in the reasons and names of the rules.",
        )
    return declared


def _validate(settings: Settings, base: Document | None) -> None:
    """Load all of it as a start does; an undeclared approval channel is the one in force."""
    known = base.settings if base is not None and not base.several else {}
    declared = _declared_settings(settings)
    inherited = {setting: known[name] for name, setting in DECIDING.items() if name in known and name not in declared}
    load_policy(settings.model_copy(update=inherited))
    load_limits(settings)
    load_workspaces(settings)


def content_of(declared: Declaration) -> dict[str, Any]:
    """Return the declared contents, as data."""
    content = {"rules": declared.rules, "limits": declared.limits, "workspaces": declared.workspaces}
    return {**content, "windows": declared.windows, "freezes": declared.freezes, "settings": declared.settings}


def _listed(value: Any) -> list[dict[str, Any]]:
    return list(value) if isinstance(value, list) else []


def _calendar(tables: Any, model: type[WrittenWindow | WrittenFreeze]) -> tuple[Table, ...]:
    """Return windows or freezes as written, in one spelling."""
    written = [model.model_validate(table).model_dump(exclude_unset=True) for table in _listed(tables)]
    return tuple(
        {key: _one_spelling(key, value) for key, value in table.items() if value not in (None, "", ())}
        for table in written
    )


def _one_spelling(key: str, value: Any) -> Json:
    return sorted(_spelled(key, word) for word in value) if isinstance(value, tuple) else " ".join(str(value).split())


def _nonempty(table: Mapping[str, Any]) -> Table:
    return {key: value for key, value in table.items() if value}


def _several(settings: Settings) -> bool | None:
    if settings.slack_client_id:
        return True
    return False if settings.slack_bot_token is not None else None


def _declared_settings(settings: Settings) -> dict[str, str]:
    values = {
        name: getattr(settings, setting) for name, setting in DECIDING.items() if setting in settings.model_fields_set
    }
    return {name: _sorted(value) if name in LISTS else value.strip() for name, value in values.items()}


def _sorted(words: str) -> str:
    return ",".join(sorted(set(comma_separated(words))))


def plain_rule(rule: WrittenRule) -> Table:
    """Return a rule as written, in one spelling."""
    table = rule.model_dump(exclude_unset=True)
    plain: dict[str, Json] = {}
    for key, value in table.items():
        if value is None or value is False or value in ((), ""):
            continue
        listed = key in SETS | {"hours", "outside_hours", "confirm_in", "during_freeze", "override"}
        plain[key] = sorted(_spelled(key, word) for word in value) if listed else value
    if rule.decision == "approve":
        plain["votes"] = rule.votes or 1
    if rule.cost_above is not None:
        plain["cost_above"] = float(rule.cost_above)
    if rule.approvers is not None:
        named = rule.approvers.model_dump(exclude_unset=True)
        plain["approvers"] = {kind: sorted(words) for kind, words in named.items() if words}
    if rule.grant is not None:
        written = rule.grant.model_dump(exclude_unset=True)
        plain["grant"] = {
            key: sorted(map(str.lower, value)) if key == "states" else value for key, value in written.items()
        }
    return plain


def _spelled(key: str, word: str) -> str:
    if key == "region":
        return canonical_region(word)
    if key == "label":
        return label_term(word)
    word = " ".join(word.split())
    if key == "server":
        return word.lower().rstrip(".")
    return word.lower() if key in LOWERED else word


def plain_default(rule: Rule) -> Table:
    """Return a rule of the embedded default as it would be written; its approvers are those of the approval channel."""
    plain: dict[str, Json] = {"id": rule.id, "decision": rule.decision.value, "risk": sorted(rule.match.risk)}
    if rule.match.actor:
        plain["actor"] = sorted(rule.match.actor)
    if rule.votes:
        plain["votes"] = rule.votes
    return plain | ({"reason": rule.reason} if rule.reason else {})


def _word_of(word: str, *, servers: bool, labels: bool) -> str:
    return word.lower().rstrip(".") if servers else label_term(word) if labels else word


def plain_limits(limits: WrittenLimits) -> Table:
    """Return limits as written, in one spelling."""
    return _plain_table(limits.model_dump(exclude_unset=True))


def _plain_table(table: Mapping[str, Any]) -> dict[str, Json]:
    plain: dict[str, Json] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            plain[key] = _plain_table(value)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            named = key in {"servers", "protected", "protected_from_agents"}
            plain[key] = sorted({_word_of(word, servers=named, labels=key in LABEL_LISTS) for word in value})
        elif value is not None:
            plain[key] = float(value) if key == "max_monthly_spend" else value
    return plain
