"""`vpsops.toml`, read and parsed once: its values, and the line where each of them stands."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.toml_locations import TomlTable, tables

MAX_CONFIG_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The values of a file by section, and its tables in their order; the first is the top level."""

    path: str
    data: Mapping[str, Any]
    tables: Sequence[TomlTable]

    def elements(self, section: str) -> Sequence[TomlTable]:
        """Return the tables of an array of tables; of one that is written in one line, that line for each."""
        count = len(self.data[section]) if isinstance(self.data.get(section), list) else 0
        headers = [table for table in self.tables if table.name == (section,)]
        return [*headers[:count], *[TomlTable((section,), self.line(section))] * (count - len(headers))]

    def line(self, section: str, *key: str) -> int:
        """Return the line of a key in a section, or of the nearest thing around it."""
        name = (section, *key)
        headers = [table for table in self.tables if table.name[:1] == (section,)]
        for table in headers:
            inside = name[len(table.name) :] if name[: len(table.name)] == table.name else ()
            if inside and inside[0] in table.keys:
                return table.key(*inside)
        around = next((table.line for table in headers if table.name == name[: len(table.name)]), 0)
        written = self.tables[0].keys.get(section) and self.tables[0].key(*name)
        return around or written or next((table.line for table in headers), 1)

    def error(self, line: int, message: str, hint: str = "") -> ConfigurationError:
        """Return an error with file and line."""
        return ConfigurationError(f"{self.path}:{line}: {message}", hint=hint)


def read_config(path: str) -> ConfigFile:
    """Read a file, none where no path is given; raises `ConfigurationError` with the line of a syntax error."""
    if not path:
        return parse_config("", path)
    try:
        content = Path(path).read_bytes()
        if len(content) > MAX_CONFIG_BYTES:
            raise ConfigurationError(f"{path} is over a megabyte.", hint="Is it the right file?")
        return parse_config(content.decode("utf-8-sig"), path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.", hint="Check VPSOPS_CONFIG.") from None
    except UnicodeDecodeError as error:
        raise _malformed(path, error) from None


def parse_config(text: str, path: str) -> ConfigFile:
    """Parse the text of a file; raises `ConfigurationError` with the line of a syntax error."""
    try:
        return ConfigFile(path, tomllib.loads(text), tables(text))
    except tomllib.TOMLDecodeError as error:
        raise _malformed(path, error) from None
    except RecursionError:
        raise ConfigurationError(f"{path}: its values are nested too deeply.", hint="Is it the right file?") from None
    except ValueError:  # a number that Python reads no text of
        raise ConfigurationError(f"{path}: a number in it is too long.", hint="Is it the right file?") from None


def _malformed(path: str, error: ValueError) -> ConfigurationError:
    return ConfigurationError(f"{path}: {error}.", hint="The file must be TOML in UTF-8.")
