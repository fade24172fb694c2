"""Words from outside: normalised first, then without secrets; one place for everything that enters, and for logs.

The order matters: a key that is split by characters nobody sees is whole again once they are gone.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.text import is_hidden, normalise, one_line

MASK: Final = "•••"  # outside ASCII, so that a secret (always ASCII) can never be found in it
LIMIT: Final = 300
LONGEST_TEXT: Final = 200_000
DEPTH: Final = 40
SPLIT_LENGTH: Final = 8
"""A shorter secret is not looked for with spaces between its characters: words that stand side by side hold it."""

_NAMES: Final = r"(?-i:(?!WAYSCLOUD_API_(?:KEY|URL)(?:_FILE)?(?![\w=]|:\S)))"  # of settings, which hints tell people
_SECRET: Final = re.compile(_NAMES + r"(wayscloud_[a-z0-9]+_)[^\s\"',{}]+", re.IGNORECASE)
_SLACK_TOKEN: Final = re.compile(r"\b(x(?:ox[a-z]|app)-)[A-Za-z0-9-]{10,}")


@dataclass(frozen=True, slots=True)
class Redactor:
    """Prepares words from outside to be stored, logged, sent or hashed; `secrets` are those configured."""

    secrets: tuple[str, ...] = ()

    def text(self, text: str) -> str:
        """Return words without what nobody sees, and without secrets."""
        return redact(normalise(text[:LONGEST_TEXT]), *self.secrets)

    def name(self, text: str) -> str:
        """Return a name: as `text`, in its one compatible spelling, on one line."""
        return " ".join(self.text(unicodedata.normalize("NFKC", normalise(text[:LONGEST_TEXT]))).split())

    def line(self, text: str, limit: int = LIMIT) -> str:
        """Return words on one line, at most `limit` characters long."""
        return tidy(text, *self.secrets, limit=limit)

    def json(self, value: Any, depth: int = DEPTH) -> Any:
        """Return JSON with all its words prepared, names of fields included; what is nested deeper is left out."""
        return _mapped(value, self.text, depth)

    def exact(self, value: Any, depth: int = DEPTH) -> Any:
        """Return JSON without secrets and otherwise as it is: what a provider calls a server is what it is called."""
        return _mapped(value, lambda text: redact(text, *self.secrets), depth)

    def sees_none(self, content: bytes) -> bool:
        """Say whether plain JSON surely holds no configured secret, which spares a walk through a long answer."""
        if not content.isascii() or b"\\" in content:
            return False
        packed = b"".join(content.split())
        if b"wayscloud_" in packed.lower() or b"xox" in packed or b"xapp-" in packed:
            return False
        return not any(b"".join(secret.encode().split()) in packed for secret in self.secrets)


def redact(text: str, *secrets: str) -> str:
    """Return `text` without the given secrets, however split or widened, and without what looks like a key."""
    for secret in secrets:
        text = text.replace(secret, MASK) if secret else text
    text = _without_split(text, secrets)
    return _SLACK_TOKEN.sub(rf"\g<1>{MASK}", _SECRET.sub(rf"\g<1>{MASK}", text))


def tidy(text: str, *secrets: str, limit: int = LIMIT) -> str:
    """Return text from outside fit for showing: normalised, redacted, on one line, at most `limit` long."""
    return one_line(redact(normalise(text), *secrets), limit)


def _without_split(text: str, secrets: tuple[str, ...]) -> str:
    """Mask secrets with invisible characters or spaces in them, or in another width."""
    if text.isascii() and text.isprintable() and " " not in text:
        return text
    for secret in secrets:
        tight = "".join(secret.split())
        if tight:
            text = _masked(text, tight, spaces=len(tight) >= SPLIT_LENGTH)
    return text


def _masked(text: str, secret: str, *, spaces: bool) -> str:
    plain = text.isascii() and text.replace("\n", " ").replace("\t", " ").isprintable()
    if plain and secret not in "".join(text.split() if spaces else text):
        return text
    letters = list(_letters(text, spaces=spaces))
    packed = "".join(letter for _, letter in letters)
    parts, end, at = [], 0, packed.find(secret)
    while at >= 0:
        first, last = letters[at][0], letters[at + len(secret) - 1][0]
        if first >= end:
            parts += [text[end:first], MASK]
        end, at = last + 1, packed.find(secret, at + len(secret))
    return "".join((*parts, text[end:])) if parts else text


def _letters(text: str, *, spaces: bool) -> Iterator[tuple[int, str]]:
    """Yield what is to be compared, each letter with the place it comes from."""
    for place, char in enumerate(text):
        if char.isspace():
            if not spaces:
                yield place, char
        elif char.isascii():
            if char.isprintable():
                yield place, char
        elif not is_hidden(char):
            yield from ((place, letter) for letter in unicodedata.normalize("NFKC", char))


def _mapped(value: Any, change: Any, depth: int) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        items = value.items() if depth else ()
        return {_mapped(key, change, 1): _mapped(item, change, depth - 1) for key, item in items}
    if isinstance(value, list | tuple):
        return [_mapped(item, change, depth - 1) for item in value] if depth else []
    return value
