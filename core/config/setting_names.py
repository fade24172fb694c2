"""The names of settings: unknown ones are refused, with the nearest known name."""

import difflib
from collections.abc import Collection, Mapping
from typing import Any, Final

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.config_file import ConfigFile
from vpsops.core.config.secret_values import SECRETS

SECTION: Final = "settings"
PREFIXES: Final = ("VPSOPS_", "WAYSCLOUD_", "SLACK_")
NEAR: Final = 0.8
"""How alike a name has to be: all settings share a prefix."""


def refuse_unknown(env: Mapping[str, str], known: Collection[str]) -> None:
    """Refuse variables of ours that are no settings; raises `ConfigurationError`."""
    allowed = {*known} | {f"{name}_FILE" for name in SECRETS}
    unknown = sorted(name for name in env if name.startswith("VPSOPS_") and name not in allowed)
    if unknown:
        raise ConfigurationError(
            f"Unknown setting {', '.join(unknown[:5])}.", hint=nearest_hint(unknown[0], sorted(allowed))
        )


def nearest_name(name: str, names: Collection[str]) -> str:
    """Return the setting that a name comes nearest to, in any case and without its prefix; "" where none is near."""
    spelled = name.upper().replace("-", "_")
    spellings = [spelled] if spelled.startswith(PREFIXES) else [prefix + spelled for prefix in PREFIXES]
    exact = [spelling for spelling in spellings if spelling in names]
    near = [match for spelling in spellings for match in difflib.get_close_matches(spelling, names, 1, cutoff=NEAR)]
    return (exact or near or [""])[0]


def nearest_hint(name: str, names: Collection[str]) -> str:
    """Return a hint to a name that is no setting."""
    near = nearest_name(name, names)
    return f"Did you mean {near}?" if near else "`vpsops config show` lists the settings."


def settings_in(file: ConfigFile, known: Collection[str]) -> dict[str, Any]:
    """Return what a file's section sets; raises `ConfigurationError` where it is no table or has an unknown name."""
    table = file.data.get(SECTION, {})
    if not isinstance(table, dict):
        raise file.error(file.line(SECTION), "[settings] must be a table.")
    allowed = {*known} | {f"{name}_FILE" for name in SECRETS}
    unknown = sorted(set(table) - allowed)
    if unknown:
        hint = nearest_hint(unknown[0], sorted(allowed))
        raise file.error(file.line(SECTION, unknown[0]), f"unknown setting {unknown[0]} in [settings].", hint)
    return {name: value for name, value in table.items() if name in known}
