"""The text of a `vpsops.toml`: a new one, or an existing one with a few settings changed and all else as it was.

tomlkit was not taken: a line is replaced or added, and the result is parsed and compared with what was meant.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.config_file import parse_config

SECTION: Final = "settings"
HEADER: Final = "# Written by `vpsops init`, which can be run again. docs/policy.md explains rules and limits.\n"
TABLE: Final = re.compile(r"^[ \t]*\[[ \t]*settings[ \t]*\][ \t]*(#.*)?$", re.MULTILINE)


def new_text(settings: Mapping[str, str], rules: str) -> str:
    """Return a new file."""
    return f"{HEADER}\n[{SECTION}]\n{_lines(settings)}\n{rules}"


def changed_text(text: str, path: str, settings: Mapping[str, str | None], rules: str = "") -> str:
    """Return a file's text with other settings, None for those that go; rules are added at its end.

    Raises `ConfigurationError` where the file is written in a way that lines cannot be replaced in.
    """
    before = parse_config(text, path)
    table = before.data.get(SECTION, {})
    kept = {name: value for name, value in {**table, **settings}.items() if value is not None}
    wanted = {**before.data, **parse_config(rules, path).data, **({SECTION: kept} if kept or table else {})}
    lines = text.splitlines(keepends=True)
    new = {name: value for name, value in settings.items() if value is not None and name not in table}
    for name in [name for name in settings if name in table and settings[name] != table[name]]:
        value = settings[name]
        lines[before.line(SECTION, name) - 1] = "" if value is None else _lines({name: value})
    changed = _with_new("".join(lines), new)
    if rules:
        changed = f"{changed.rstrip()}\n\n{rules}"
    _check(changed, path, wanted)
    return changed


def _with_new(text: str, new: Mapping[str, str]) -> str:
    """Add settings behind the header of their table, or a table before all others."""
    if not new:
        return text
    header = TABLE.search(text)
    if header is None:
        return f"[{SECTION}]\n{_lines(new)}\n{text}"
    end = text.find("\n", header.end())
    before, after = (text, "") if end < 0 else (text[: end + 1], text[end + 1 :])
    return f"{before}{'' if before.endswith(chr(10)) else chr(10)}{_lines(new)}{after}"


def _check(text: str, path: str, wanted: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` where a text does not say what was meant, and nothing else."""
    try:
        right = parse_config(text, path).data == wanted
    except ConfigurationError:
        right = False
    if not right:
        raise ConfigurationError(
            f"{path} is written in a way that init cannot change.",
            hint=f"Put each setting of [{SECTION}] on a line of its own, or write them by hand.",
        )


def _lines(settings: Mapping[str, str]) -> str:
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in settings.items())
