"""JSON with comments, as hosts write it: its values, and where in the text the members of an object stand.

The json module gives values without places. Libraries that keep a text's layout (json-five, jsonc-edit) were not
taken: each file belongs to another program, so every character that is not ours has to stay, and what we write is
read back and compared.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

TOKEN: Final = re.compile(
    r'(?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")'
    r"|(?P<comment>//[^\n]*|/\*.*?\*/)"
    r"|(?P<mark>[{}\[\],:])"
    r'|(?P<word>[^\s{}\[\],:"/]+)'
    r"|(?P<space>[ \t\r\n]+)",
    re.DOTALL,
)
BLANK: Final = frozenset({"comment", "space"})
DEPTHS: Final = {"{": 1, "[": 1, "}": -1, "]": -1}


class HostTextError(ValueError):
    """A text that is not written as its host reads it, or not in a way that an entry can be put into."""


@dataclass(frozen=True, slots=True)
class Token:
    """A part of the text; all parts together are the text."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where the next part begins."""
        return self.start + len(self.text)

    def is_mark(self, marks: str) -> bool:
        """Return whether it is one of these marks."""
        return self.kind == "mark" and self.text in marks


@dataclass(frozen=True, slots=True)
class ObjectMember:
    """A member of an object: the positions of its key and of the first and last token of its value."""

    key: str
    start: int
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class ObjectSpan:
    """An object: the positions of its braces, and its members."""

    opening: int
    closing: int
    members: Sequence[ObjectMember]

    def member(self, key: str) -> ObjectMember | None:
        """Return a member by its key."""
        return next((member for member in self.members if member.key == key), None)


def tokens_of(text: str) -> list[Token]:
    """Return a text's parts. Raises `HostTextError`."""
    tokens: list[Token] = []
    place = 0
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            raise HostTextError(f"line {text.count(chr(10), 0, place) + 1} is no JSON")
        tokens.append(Token(str(match.lastgroup), match.group(), place))
        place = match.end()
    return tokens


def values_of(text: str, *, comments: bool) -> dict[str, Any]:
    """Return the object that a text is, {} for an empty text. Raises `HostTextError`."""
    if not text.strip():
        return {}
    try:
        values = json.loads(_plain(text) if comments else text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise HostTextError(f"line {error.lineno} is no JSON: {error.msg}") from None
    except RecursionError:
        raise HostTextError("its values are nested too deeply") from None
    except ValueError:  # a number that Python reads no text of
        raise HostTextError("a number in it is too long") from None
    if not isinstance(values, dict):
        raise HostTextError("it is not a JSON object")
    return values


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice: which of the two a host takes is not known."""
    values = dict(pairs)
    if len(values) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise HostTextError(f"the key {twice[:60]!r} stands in one object twice")
    return values


def _plain(text: str) -> str:
    """Return the text without comments and trailing commas, every line where it was."""
    tokens = tokens_of(text)
    return "".join(
        re.sub(r"[^\n]", " ", token.text) if token.kind == "comment" or is_trailing(tokens, index) else token.text
        for index, token in enumerate(tokens)
    )


def is_trailing(tokens: Sequence[Token], index: int) -> bool:
    """Return whether a token is a comma behind the last member or element."""
    before, after = next_index(tokens, index, -1), next_index(tokens, index)
    return (
        tokens[index].is_mark(",")
        and after < len(tokens)
        and tokens[after].is_mark("}]")
        and before >= 0
        and not tokens[before].is_mark("{[,:")
    )


def next_index(tokens: Sequence[Token], index: int, step: int = 1) -> int:
    """Return the position of the next token that is no space and no comment; beyond the text where there is none."""
    index += step
    while 0 <= index < len(tokens) and tokens[index].kind in BLANK:
        index += step
    return index


def object_at(tokens: Sequence[Token], opening: int) -> ObjectSpan:
    """Return the object that begins at a position of a valid text."""
    members: list[ObjectMember] = []
    depth, key, last = 0, -1, opening
    for index in range(opening + 1, len(tokens)):
        token = tokens[index]
        if token.kind in BLANK:
            continue
        if depth == 0 and token.is_mark(",}"):
            if key >= 0:
                value = next_index(tokens, next_index(tokens, key))
                members.append(ObjectMember(json.loads(tokens[key].text), key, value, last))
            if token.text == "}":
                return ObjectSpan(opening, index, members)
            key = -1
        elif depth == 0 and key < 0:
            key = index
        depth += DEPTHS.get(token.text, 0) if token.kind == "mark" else 0
        last = index
    raise HostTextError("an object has no end")
