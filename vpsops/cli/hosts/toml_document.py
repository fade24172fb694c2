"""Puts a table into a host's TOML and takes it out; every other line stays. tomlkit was not taken: decision 0042."""

import tomllib
from dataclasses import dataclass
from typing import Any

from vpsops.cli.hosts.catalogue import NAME, Entry, toml_table
from vpsops.cli.hosts.json_tokens import HostTextError
from vpsops.core.config.toml_locations import statements


@dataclass(frozen=True, slots=True)
class TomlDocument:
    """A host's file as text."""

    text: str
    section: str

    @property
    def values(self) -> dict[str, Any]:
        """What the text says. Raises `HostTextError`."""
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise HostTextError(f"it is no TOML: {error}") from None
        except RecursionError:
            raise HostTextError("its values are nested too deeply") from None
        except ValueError:  # a number that Python reads no text of
            raise HostTextError("a number in it is too long") from None

    @property
    def servers(self) -> dict[str, Any]:
        """The servers by name. Raises `HostTextError`."""
        servers = self.values.get(self.section, {})
        if not isinstance(servers, dict):
            raise HostTextError(f"{self.section} is not a table")
        return servers

    def with_server(self, entry: Entry) -> str:
        """Return the text with the table at its end, in place of one that was there. Raises `HostTextError`."""
        wanted = {**self.values, self.section: {**self.servers, NAME: entry}}
        text = self.without_server()
        newline = "\r\n" if "\r\n" in text else "\n"
        gap = "" if not text else newline if text.endswith("\n") else newline * 2
        return self._checked(text + gap + toml_table(self.section, entry).replace("\n", newline), wanted)

    def without_server(self) -> str:
        """Return the text without the table, as it is where there is none. Raises `HostTextError`."""
        if NAME not in self.servers:
            return self.text
        rest = {name: server for name, server in self.servers.items() if name != NAME}
        wanted = {**self.values, self.section: rest}
        lines = self.text.split("\n")
        ours = self._our_lines(lines)
        if min(ours, default=0) > 0 and not lines[min(ours) - 1].strip() and max(ours) >= len(lines) - 2:
            ours.add(min(ours) - 1)  # the empty line that was put before it
        return self._checked("\n".join(line for number, line in enumerate(lines) if number not in ours), wanted)

    def _our_lines(self, lines: list[str]) -> set[int]:
        """Return the numbers of the lines from our header to the last one of our table."""
        ours: set[int] = set()
        inside = False
        places = [(number - 1, statement) for number, statement in statements(self.text)]
        for (number, statement), (following, _) in zip(places, [*places[1:], (len(lines), "")], strict=True):
            if statement.startswith("["):
                inside = self._is_ours(statement)
            if inside:
                last = following
                while last > number + 1 and (not lines[last - 1].strip() or lines[last - 1].lstrip().startswith("#")):
                    last -= 1  # what stands between two statements stays, unless it is inside the first
                ours |= set(range(number, last))
        return ours

    def _is_ours(self, header: str) -> bool:
        servers = tomllib.loads(header).get(self.section, {})
        return isinstance(servers, dict) and NAME in servers

    def _checked(self, text: str, wanted: dict[str, Any]) -> str:
        after = TomlDocument(text, self.section)
        if {**after.values, self.section: after.servers} != wanted:
            raise HostTextError("it is written in a way that a table cannot be put into")
        return text
