"""Puts an entry into a host's JSON and takes it out; every other character stays."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpsops.cli.hosts.catalogue import NAME, Entry
from vpsops.cli.hosts.json_tokens import (
    HostTextError,
    ObjectMember,
    ObjectSpan,
    Token,
    next_index,
    object_at,
    tokens_of,
)
from vpsops.cli.hosts.json_tokens import values_of as parse

UNIT: Final = "  "


@dataclass(frozen=True, slots=True)
class TextEdit:
    """A stretch of the text that is replaced."""

    start: int
    end: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """A host's file as text; `comments` where its host takes them."""

    text: str
    section: str
    comments: bool = False

    @property
    def values(self) -> dict[str, Any]:
        """What the text says. Raises `HostTextError`."""
        return parse(self.text, comments=self.comments)

    @property
    def servers(self) -> dict[str, Any]:
        """The servers by name. Raises `HostTextError`."""
        servers = self.values.get(self.section, {})
        if not isinstance(servers, dict):
            raise HostTextError(f"{self.section} is not an object")
        return servers

    def with_server(self, entry: Entry) -> str:
        """Return the text with the entry. Raises `HostTextError`."""
        wanted = {**self.values, self.section: {**self.servers, NAME: entry}}
        if not self.text.strip():
            return json.dumps(wanted, indent=len(UNIT), ensure_ascii=False) + "\n"
        layout = _Layout(self.text, tokens_of(self.text))
        root = layout.root()
        section = root.member(self.section)
        if section is None:
            changes = layout.insertion(root, self.section, {NAME: entry})
        else:
            servers = object_at(layout.tokens, section.value)
            member = servers.member(NAME)
            changes = layout.insertion(servers, NAME, entry) if member is None else [layout.replacement(member, entry)]
        return self._checked(layout.changed(changes), wanted)

    def without_server(self) -> str:
        """Return the text without the entry, as it is where there is none. Raises `HostTextError`."""
        servers = self.servers
        if NAME not in servers:
            return self.text
        rest = {name: server for name, server in servers.items() if name != NAME}
        layout = _Layout(self.text, tokens_of(self.text))
        section = layout.root().member(self.section)
        assert section is not None  # noqa: S101 - the values have it
        changes = layout.removal(object_at(layout.tokens, section.value), NAME)
        return self._checked(layout.changed(changes), {**self.values, self.section: rest})

    def _checked(self, text: str, wanted: dict[str, Any]) -> str:
        if parse(text, comments=self.comments) != wanted:
            raise HostTextError("it is written in a way that an entry cannot be put into")
        return text


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a text is written: its line ends, its indentation, and where things stand."""

    text: str
    tokens: Sequence[Token]

    def root(self) -> ObjectSpan:
        return object_at(self.tokens, next_index(self.tokens, -1))

    @property
    def newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    @property
    def unit(self) -> str:
        members = self.root().members
        indent = self._lead(members[0]).rpartition("\n")[2] if members else ""
        return indent if indent and "\n" in self.text else UNIT

    def insertion(self, span: ObjectSpan, key: str, value: object) -> list[TextEdit]:
        """Append a member."""
        if not span.members:
            return [self._first(span, key, value)]
        last = span.members[-1]
        comma = next_index(self.tokens, last.end)
        has_comma = self.tokens[comma].is_mark(",")
        lead = self._lead(last)
        place = self._line_end(comma if has_comma else last.end)
        added = TextEdit(place, place, lead + self._member(key, value, lead))
        return [added] if has_comma else [TextEdit(self.tokens[last.end].end, self.tokens[last.end].end, ","), added]

    def replacement(self, member: ObjectMember, value: object) -> TextEdit:
        """Replace the value of a member."""
        text = self._value(value, self._lead(member))
        return TextEdit(self.tokens[member.value].start, self.tokens[member.end].end, text)

    def removal(self, span: ObjectSpan, key: str) -> list[TextEdit]:
        """Take a member out with the comma that it no longer needs."""
        keys = [member.key for member in span.members]
        index = keys.index(key)
        member = span.members[index]
        after = next_index(self.tokens, member.end)
        comma = after
        if not self.tokens[after].is_mark(",") or (index and index == len(keys) - 1):
            comma = next_index(self.tokens, member.start, -1)
        behind_comment = self.tokens[max(member.start - 2, 0)].text.startswith("//")
        start = self.tokens[member.start].start - (0 if behind_comment else len(self._lead(member)))
        changes = [TextEdit(start, self.tokens[member.end].end)]
        if self.tokens[comma].is_mark(","):
            changes.append(TextEdit(self.tokens[comma].start, self.tokens[comma].end))
        if len(keys) == 1 and self._is_space(span.opening, member.start) and self._is_space(after - 1, span.closing):
            changes = [TextEdit(self.tokens[span.opening].end, self.tokens[span.closing].start)]
        return changes

    def changed(self, changes: Sequence[TextEdit]) -> str:
        """Return the text with its changes, which do not overlap; two at one place stand in their order."""
        parts, place = [], 0
        for change in sorted(changes, key=lambda change: change.start):
            parts += [self.text[place : change.start], change.text]
            place = change.end
        return "".join([*parts, self.text[place:]])

    def _first(self, span: ObjectSpan, key: str, value: object) -> TextEdit:
        """Put a member into an empty object, which may hold a comment."""
        closing = self.tokens[span.closing]
        before = self.tokens[span.closing - 1]
        start = before.start if before.kind == "space" else closing.start
        if "\n" not in self.text:
            return TextEdit(start, closing.start, self._member(key, value, ""))
        line = self.text[: self.tokens[span.opening].start].rpartition("\n")[2]
        base = self.newline + line[: len(line) - len(line.lstrip(" \t"))]
        return TextEdit(start, closing.start, base + self.unit + self._member(key, value, base + self.unit) + base)

    def _member(self, key: str, value: object, lead: str) -> str:
        return f"{json.dumps(key)}: {self._value(value, lead)}"

    def _value(self, value: object, lead: str) -> str:
        if "\n" not in lead:
            return json.dumps(value, ensure_ascii=False)
        lines = json.dumps(value, ensure_ascii=False, indent=self.unit).split("\n")
        return (self.newline + lead.rpartition("\n")[2]).join(lines)

    def _lead(self, member: ObjectMember) -> str:
        """Return the space right before a member's key."""
        before = self.tokens[member.start - 1]
        return before.text if before.kind == "space" else ""

    def _line_end(self, index: int) -> int:
        """Return the place behind a token and the comments that stand behind it on its line."""
        place = self.tokens[index].end
        for token in self.tokens[index + 1 :]:
            if token.kind not in {"comment", "space"} or "\n" in token.text:
                break
            place = token.end if token.kind == "comment" else place
        return place

    def _is_space(self, start: int, end: int) -> bool:
        """Return whether only spaces and commas stand between two tokens."""
        return all(token.kind == "space" or token.is_mark(",") for token in self.tokens[start + 1 : end])
