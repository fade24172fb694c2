"""The names of settings: unknown ones are refused, with the nearest known name."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.config_file import ConfigFile
from vpsops.core.config.secret_values import SECRETS

SECTION: Final = "settings"


def refuse_unknown(env: Mapping[str, str], known: Collection[str]) -> None:
    """Refuse variables of ours that are no settings; raises `ConfigurationError`."""
    allowed = {*known} | {f"{name}_FILE" for name in SECRETS}
    unknown = sorted(name for name in env if name.startswith("VPSOPS_") and name not in allowed)
    if unknown:
        names = sorted(name for name in allowed if name.startswith("VPSOPS_"))
        raise ConfigurationError(f"Unknown setting {', '.join(unknown[:5])}.", hint=nearest_name(unknown[0], names))


def nearest_name(name: str, names: Sequence[str]) -> str:
    """Return a hint: the nearest of some names, or all of them."""
    near = difflib.get_close_matches(name, names, 1, cutoff=0.8)  # all share VPSOPS_
    return f"Did you mean {near[0]}?" if near else f"The settings are {', '.join(names)}."


def settings_in(file: ConfigFile, known: Collection[str]) -> dict[str, Any]:
    """Return what a file's section sets; raises `ConfigurationError` where it is no table or has an unknown name."""
    table = file.data.get(SECTION, {})
    if not isinstance(table, dict):
        raise file.error(file.line(SECTION), "[settings] must be a table.")
    unknown = sorted(set(table) - set(known) - {f"{name}_FILE" for name in SECRETS})
    if unknown:
        hint = nearest_name(unknown[0], sorted(known))
        raise file.error(file.line(SECTION, unknown[0]), f"unknown setting {unknown[0]} in [settings].", hint)
    return {name: value for name, value in table.items() if name in known}
