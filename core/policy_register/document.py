"""The policy document of a database: rules, limits, workspaces, deciding settings; its text and version.

The text is canonical: two files that decide the same have the same text and version, whatever their order, comments
and spelling. It holds no secrets, as settings are included by name.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.json_types import Json
from vpsops.core.common.timings import Timing
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Approvers
from vpsops.core.limits.config_schema import WrittenLimits
from vpsops.core.limits.loader import limits_of
from vpsops.core.limits.model import Limits
from vpsops.core.policy.calendar_loader import calendar_of
from vpsops.core.policy.defaults import OWN_CHANNEL
from vpsops.core.policy.loader import rule_of
from vpsops.core.policy.model import Policy, version_of
from vpsops.core.workspaces.model import Workspace, Workspaces

FORMAT: Final = 1
DECIDING: Final[Mapping[str, str]] = {
    "VPSOPS_APPROVAL_CHANNEL": "approval_channel",
    "VPSOPS_CHANNEL": "channel",
    "VPSOPS_ACCEPT_APPROVERS": "accept_approvers",
    "VPSOPS_SLACK_TEAMS": "slack_teams",
}
"""The settings that decide, and their fields. `VPSOPS_CHANNEL` is one if there is no approval channel."""
Table = Mapping[str, Json]
CALENDAR: Final = ("windows", "freezes")
"""Parts that a document holds only where there are any, so that one without them keeps its version."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """The contents that decide; `embedded` where the rules are the default of a release, and `holds` are seconds."""

    rules: tuple[Table, ...]
    embedded: bool = False
    limits: Table = field(default_factory=dict)
    workspaces: tuple[Table, ...] = ()
    several: bool = False
    windows: tuple[Table, ...] = ()
    freezes: tuple[Table, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    holds: Mapping[str, float] = field(default_factory=dict)
    text: str = field(init=False, repr=False)
    version: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(sorted(self.rules, key=lambda rule: str(rule["id"]))))
        object.__setattr__(
            self, "workspaces", tuple(sorted(self.workspaces, key=lambda workspace: str(workspace["team"])))
        )
        calendar = {name: _by_name(getattr(self, name)) for name in CALENDAR if getattr(self, name)}
        for name, tables in calendar.items():
            object.__setattr__(self, name, tables)
        text = canonical(
            {
                **calendar,
                "format": FORMAT,
                "rules": self.rules,
                "embedded": self.embedded,
                "limits": dict(self.limits),
                "workspaces": self.workspaces,
                "several": self.several,
                "settings": dict(self.settings),
                "holds": dict(self.holds),
            }
        )
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "version", version_of(text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def channel(self) -> str:
        """The approval channel where a rule leaves the approvers to it."""
        return OWN_CHANNEL if self.several else self.settings.get("VPSOPS_APPROVAL_CHANNEL", "")


def _by_name(tables: tuple[Table, ...]) -> tuple[Table, ...]:
    return tuple(sorted(tables, key=lambda table: str(table["name"])))


def canonical(content: Mapping[str, Any]) -> str:
    """Return the canonical text of a document."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def document_from(text: str) -> Document:
    """Return the document of a stored text; raises `ConfigurationError` unless this version understands all of it."""
    try:
        content = json.loads(text)
        known = content.pop("format") == FORMAT
        for name in ("rules", "workspaces", *CALENDAR):
            content[name] = tuple(content.get(name, ())) if name in CALENDAR else tuple(content[name])
        document = Document(**content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise not_understood() from None
    if not known or document.text != text:
        raise not_understood()
    return document


def not_understood() -> ConfigurationError:
    """The error for a policy in force that this version cannot read."""
    return ConfigurationError(
        "The policy in force cannot be read by this version of vpsops.",
        hint="Update vpsops on this machine, or apply a policy: vpsops policy apply FILE.",
    )


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A document as it is applied: the policy, the limits, the workspaces, and who decides in addition to the rules."""

    document: Document
    policy: Policy
    limits: Limits
    workspaces: Workspaces
    stewards: Approvers

    @property
    def version(self) -> str:
        """The version of the whole document."""
        return self.document.version

    def stewards_of(self, team: str) -> Approvers:
        """Return who may resume agents and settle unclear changes, for one workspace."""
        return self.workspaces.stewards_of(team) if self.workspaces.several and team else self.stewards

    def settings_from(self, own: Settings) -> Settings:
        """Return a process's settings with those that decide as they are in force."""
        values = self.document.settings
        update = {attribute: values.get(name, "") for name, attribute in DECIDING.items()}
        if self.document.several or values.get("VPSOPS_APPROVAL_CHANNEL"):
            update["channel"] = own.channel  # then it is only a place for notices
        return own.model_copy(update=update)

    def timing_from(self, own: Timing) -> Timing:
        """Return a process's timing with the holds that are in force."""
        return own.with_holds(self.document.holds["confirm"], self.document.holds["approve"])


def ruleset_from(document: Document) -> Ruleset:
    """Return a document as it is applied; raises `ConfigurationError` where this version does not understand it."""
    try:
        rules = tuple(rule_of(dict(rule), "the policy in force", document.channel) for rule in document.rules)
        workspaces = Workspaces(document.several, tuple(Workspace(**workspace) for workspace in document.workspaces))
        calendar = calendar_of(document.windows, document.freezes, "the policy in force")
        limits = limits_of(WrittenLimits.model_validate(dict(document.limits)))
        float(document.holds["confirm"]), float(document.holds["approve"])
    except (ConfigurationError, ValueError, TypeError, KeyError):
        raise not_understood() from None
    channel = document.settings.get("VPSOPS_APPROVAL_CHANNEL") or document.settings.get("VPSOPS_CHANNEL") or ""
    return Ruleset(
        document,
        Policy(rules, document.version, calendar),
        limits,
        workspaces,
        Approvers(channels=(channel,)) if channel else Approvers(),
    )
