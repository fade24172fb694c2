"""What a reload does with each setting: the one table that the reload, `vpsops config show` and the page read."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vpsops.core.config.setting_names import SECTION
from vpsops.core.config.settings import Settings


class Reloadability(StrEnum):
    """When another value of a setting counts in a running process."""

    RELOAD = "reload"
    POLICY = "policy apply"
    RESTART = "restart"


RELOADED: Final = frozenset(
    {
        "WAYSCLOUD_API_KEY",
        "WAYSCLOUD_TOKEN",
        "SLACK_BOT_TOKEN",
        "SLACK_SIGNING_SECRET",
        "SLACK_APP_TOKEN",
        "VPSOPS_ESCALATION_CHANNEL",
        "VPSOPS_APPROVAL_MENTIONS",
        "VPSOPS_MCP_AUDIT",
        "VPSOPS_OWNER_LABEL",
        "VPSOPS_LOG_LEVEL",
        "VPSOPS_LOG_FORMAT",
    }
)
"""The settings whose new value counts from the reload on."""
DECIDED: Final = frozenset(
    {"VPSOPS_CHANNEL", "VPSOPS_APPROVAL_CHANNEL", "VPSOPS_ACCEPT_APPROVERS", "VPSOPS_SLACK_TEAMS"}
)
"""The settings that decide: a reload declares them, and the policy in force says when they count."""
FRONT_DOORS: Final = frozenset({"SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_APP_TOKEN"})
"""Whether these are set chooses what a process serves, so that alone needs a restart; another value does not."""


RELOADED_KEYS: Final[Mapping[str, frozenset[str]]] = {"mcp": frozenset({"socket.users", "socket.unmapped"})}
"""The sections of the file that are no part of the policy, with what of each counts from a reload on; the rest of it
is read at the start alone."""


@dataclass(frozen=True, slots=True)
class MergedSettings:
    """The settings that count after a reload, and the names that changed, and that need a restart to count."""

    settings: Settings
    changed: tuple[str, ...]
    restart: tuple[str, ...]
    sections: tuple[str, ...] = ()
    """The other sections of the file that changed."""


def reloadability(name: str) -> Reloadability:
    """Return when another value of a setting counts; one that no set names needs a restart."""
    if name in RELOADED:
        return Reloadability.RELOAD
    return Reloadability.POLICY if name in DECIDED else Reloadability.RESTART


def merge_settings(current: Settings, candidate: Settings) -> MergedSettings:
    """Return what a reload makes of two readings: what needs a restart stays as it was."""
    fields = {str(field.alias): attribute for attribute, field in Settings.model_fields.items()}
    differing = [name for name, attribute in fields.items() if _differs(attribute, current, candidate)]
    restart = [name for name in differing if _needs_restart(name, fields[name], current, candidate)]
    changed = tuple(name for name in differing if name not in restart)
    settings = candidate.model_copy(update={fields[name]: getattr(current, fields[name]) for name in restart})
    settings.model_fields_set.difference_update(fields[name] for name in restart)
    settings.model_fields_set.update({fields[name] for name in restart} & current.model_fields_set)
    sections = _changed_sections(current, candidate)
    before, after = current.config_file.data, candidate.config_file.data
    late = [f"[{name}]" for name in sections if _changes_late(name, before.get(name), after.get(name))]
    reloaded = tuple(name for name in sections if _changes_now(name, before.get(name), after.get(name)))
    return MergedSettings(settings, changed, (*restart, *late), reloaded)


def _changed_sections(current: Settings, candidate: Settings) -> tuple[str, ...]:
    before, after = current.config_file.data, candidate.config_file.data
    names = sorted({*before, *after} - {SECTION})
    return tuple(name for name in names if before.get(name) != after.get(name))


def _changes_late(name: str, before: object, after: object) -> bool:
    """Return whether something of a section changed that is read at the start alone."""
    kept = RELOADED_KEYS.get(name)
    return kept is not None and any(key not in kept for key in _changed_keys(before, after))


def _changes_now(name: str, before: object, after: object) -> bool:
    kept = RELOADED_KEYS.get(name)
    return kept is None or any(key in kept for key in _changed_keys(before, after))


def _changed_keys(before: object, after: object) -> set[str]:
    """Return the keys of two levels, as `table.key`, with other values; a table that is none counts as its name."""
    old, new = _flat(before), _flat(after)
    return {key for key in {*old, *new} if old.get(key) != new.get(key)}


def _flat(section: object) -> dict[str, object]:
    if not isinstance(section, dict):
        return {} if section is None else {"": section}
    return {
        f"{name}.{key}" if key else name: value
        for name, table in section.items()
        for key, value in (table.items() if isinstance(table, dict) else [("", table)])
    }


def _differs(attribute: str, current: Settings, candidate: Settings) -> bool:
    return bool(getattr(current, attribute) != getattr(candidate, attribute))


def _needs_restart(name: str, attribute: str, current: Settings, candidate: Settings) -> bool:
    before, after = getattr(current, attribute), getattr(candidate, attribute)
    appears = (before is None) != (after is None)
    return reloadability(name) is Reloadability.RESTART or (name in FRONT_DOORS and appears)
