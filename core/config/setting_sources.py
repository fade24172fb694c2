"""Where each setting's value is from: for `vpsops config show`, which also names what no setting is called."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.config_file import ConfigFile, read_config
from vpsops.core.config.reload_table import Reloadability, reloadability
from vpsops.core.config.secret_values import SECRETS, secret_files_in
from vpsops.core.config.setting_names import SECTION, nearest_name
from vpsops.core.config.settings import Settings

DEFAULT: Final = "default"
MASK: Final = "set"
CONFIG: Final = "VPSOPS_CONFIG"


@dataclass(frozen=True, slots=True)
class SettingEntry:
    """One setting: its value for people, where that is from, and when another one counts."""

    name: str
    value: str
    source: str
    reload: Reloadability


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name that no setting has, where it stands, and the nearest setting's."""

    name: str
    source: str
    nearest: str


def setting_entries(environ: Mapping[str, str], flags: Mapping[str, str] | None = None) -> list[SettingEntry]:
    """Return every setting as it would be read; secrets are masked, and so is what a wrong name holds.

    `flags` are those values that a command-line option gave, and the option. Raises `ConfigurationError` where the
    file cannot be read.
    """
    file = _file_of(environ)
    written = _written(file)
    entries = []
    for field in Settings.model_fields.values():
        name = str(field.alias)
        value, source = _value_of(name, environ, written, file)
        source = (flags or {}).get(name, source)
        shown = (MASK if value else "") if name in SECRETS else str(value)
        if source == DEFAULT:
            shown = "" if name in SECRETS or field.default is None else str(field.default)
        entries.append(SettingEntry(name, shown, source, reloadability(name)))
    return entries


def unknown_names(environ: Mapping[str, str]) -> list[UnknownName]:
    """Return what looks like a setting and is none, of the environment and the file; raises `ConfigurationError`."""
    known = {str(field.alias) for field in Settings.model_fields.values()}
    allowed = known | {f"{name}_FILE" for name in SECRETS}
    file = _file_of(environ)
    strange = [(name, "environment") for name in sorted(environ) if name.startswith("VPSOPS_") and name not in allowed]
    strange += [(name, _place(file, name)) for name in sorted(set(_written(file)) - (allowed - {CONFIG}))]
    return [UnknownName(name, source, nearest_name(name, sorted(allowed))) for name, source in strange]


def _file_of(environ: Mapping[str, str]) -> ConfigFile:
    path = environ.get(CONFIG, "")
    return read_config(str(Path(path)) if path else "")


def _written(file: ConfigFile) -> Mapping[str, object]:
    table = file.data.get(SECTION, {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{file.path}:{file.line(SECTION)}: [settings] must be a table.")
    return table


def _value_of(
    name: str, environ: Mapping[str, str], written: Mapping[str, object], file: ConfigFile
) -> tuple[object, str]:
    """Return a setting's value and source, in the order in which they win."""
    if name in SECRETS and environ.get(f"{name}_FILE"):
        return MASK, f"secret file {environ[f'{name}_FILE']}"
    value = environ.get(name, "")
    if value.strip() if name in SECRETS else value:
        return value, "environment"
    if name in written:
        return written[name], _place(file, name)
    path = secret_files_in(file, SECTION).get(f"{name}_FILE")
    if path:
        return MASK, f"secret file {path}"
    return "", DEFAULT


def _place(file: ConfigFile, name: str) -> str:
    return f"{file.path}:{file.line(SECTION, name)}"
