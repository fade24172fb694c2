"""Words from outside: normalised first, then without secrets; one place for everything that enters, and for logs.

The order matters: a key that is split by invisible characters is whole again once they are gone.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from vpsops.core.common.json_types import Json, map_texts
from vpsops.core.common.text import is_hidden, normalise, one_line

MASK: Final = "•••"  # outside ASCII, so that a secret (always ASCII) can never be found in it
LIMIT: Final = 300
LONGEST_TEXT: Final = 200_000
DEPTH: Final = 40
_compact: Final = json.JSONEncoder(separators=(",", ":")).encode
PART_LENGTH: Final = 12
"""So many characters of a secret in a row are masked too: half a key narrows down the rest. Shorter runs are words."""
SPLIT_LENGTH: Final = 8
"""A shorter secret is not matched with spaces between its characters: words that stand side by side hold it."""

_NAMES: Final = r"(?-i:(?!WAYSCLOUD_(?:API_(?:KEY|URL)(?:_FILE)?|TOKEN_FILE)(?![\w=]|:\S)))"
"""The names of settings, which hints mention, are no keys."""
_SECRET: Final = re.compile(_NAMES + r"(wayscloud_[a-z0-9]+_)[^\s\"',{}]+", re.IGNORECASE)
_SLACK_TOKEN: Final = re.compile(r"\b(x(?:ox[a-z]|app)-)[A-Za-z0-9-]{10,}")
_OWN_TOKEN: Final = re.compile(r"\b(vpsops_)[A-Za-z0-9_-]{20,}")
_PUBLIC: Final = re.compile(r"wayscloud_[a-z0-9]+_|x(?:ox[a-z]|app)-", re.IGNORECASE)
"""How keys of a kind all begin, which is no part of the secret."""
_BEGINNINGS: Final = ("xox", "xapp-", "vpsops_")
"""Without one of these, or the provider's, a text has nothing in the form of a key."""


@dataclass(slots=True, eq=False)
class Redactor:
    """Prepares words from outside to be stored, logged, sent or hashed; `secrets` are those configured."""

    secrets: tuple[str, ...] = ()

    def hide(self, *secrets: str) -> None:
        """Take further secrets out of words, and those of before too: an old one may be in use elsewhere."""
        self.secrets = tuple(sorted({*self.secrets, *secrets}, key=len, reverse=True))

    def text(self, text: str) -> str:
        """Return words without invisible characters and without secrets."""
        return redact(normalise(text[:LONGEST_TEXT]), *self.secrets)

    def name(self, text: str) -> str:
        """Return a name: as `text`, in its one compatible spelling, on one line."""
        return " ".join(self.text(unicodedata.normalize("NFKC", normalise(text[:LONGEST_TEXT]))).split())

    def line(self, text: str, limit: int = LIMIT) -> str:
        """Return words on one line, at most `limit` characters long."""
        return tidy(text, *self.secrets, limit=limit)

    def json(self, value: Any, depth: int = DEPTH) -> Any:
        """Return JSON with all its words prepared, names of fields included; what is nested deeper is left out."""
        return map_texts(value, self.text, depth=depth)

    def exact(self, value: Any, depth: int = DEPTH) -> Any:
        """Return JSON without secrets and otherwise as it is: what a provider calls a server is what it is called."""
        return map_texts(value, self._exact, depth=depth)

    def _exact(self, text: str) -> str:
        """Return a text as it is, or masked where it would show a secret without its invisible characters."""
        plain = normalise(text)
        redacted = redact(plain, *self.secrets)
        return text if redacted == plain else redacted

    def payload(self, value: Mapping[str, Json]) -> Mapping[str, Json]:
        """Return an object as `json` does, but itself where it surely needs no preparation: twenty times as fast."""
        try:
            content = _compact(value)
        except (TypeError, ValueError, RecursionError):
            content = ""
        shallow = content.count("{") + content.count("[") <= DEPTH and len(content) <= LONGEST_TEXT
        prepared: Mapping[str, Json] = value if content and shallow and self._finds_none(content) else self.json(value)
        return prepared

    def sees_none(self, content: bytes) -> bool:
        """Return whether plain JSON surely holds no configured secret, which spares a walk through a long answer."""
        return content.isascii() and self._finds_none(content.decode("ascii"))

    def _finds_none(self, content: str) -> bool:
        return "\\" not in content and has_no_trace(content, self.secrets)


def has_no_trace(text: str, secrets: tuple[str, ...]) -> bool:
    """Return whether ASCII text surely holds no key and no part of a secret, also across its blanks."""
    packed = "".join(text.split())
    if "wayscloud_" in packed.lower() or any(map(packed.__contains__, _BEGINNINGS)):
        return False
    return not any(map(packed.__contains__, _all_traces(secrets)))


@lru_cache(maxsize=64)
def _all_traces(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return the traces of all secrets; the empty one, which every text holds, where a secret has blanks itself."""
    if any(secret.split() != [secret] for secret in secrets if secret):
        return ("",)
    return tuple({trace for secret in secrets for trace, _ in _traces(secret)})


def redact(text: str, *secrets: str) -> str:
    """Return `text` without anything in the form of a key, and without the given secrets or long parts of them.

    Neither spaces, invisible characters nor another width hide one.
    """
    if text.isascii() and text.isprintable() and has_no_trace(text, secrets):
        return text
    text = _without_split(text, secrets)
    text = _masked(text, [span for secret in secrets for span in _runs(text, secret)])
    for pattern in (_SECRET, _SLACK_TOKEN, _OWN_TOKEN):
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


def tidy(text: str, *secrets: str, limit: int = LIMIT) -> str:
    """Return text from outside fit for showing: normalised, redacted, on one line, at most `limit` long."""
    return one_line(redact(normalise(text), *secrets), limit)


def _without_split(text: str, secrets: tuple[str, ...]) -> str:
    """Mask secrets with invisible characters or spaces in them, or in another width."""
    if text.isascii() and text.isprintable() and " " not in text:
        return text
    tight = ["".join(secret.split()) for secret in secrets]
    return _masked(text, [span for secret in tight if secret for span in _split_spans(text, secret)])


def _masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Mask places of a text, those that overlap as one: secrets that share a part hide nothing of each other."""
    parts: list[str] = []
    end = 0
    for first, last in sorted(spans):
        if first >= end:
            parts += [text[end:first], MASK]
        end = max(end, last)
    return "".join((*parts, text[end:])) if parts else text


def _split_spans(text: str, secret: str) -> Iterator[tuple[int, int]]:
    """Yield where a text holds a secret with invisible characters or spaces in it, or in another width."""
    spaces = len(secret) >= SPLIT_LENGTH
    plain = text.isascii() and text.replace("\n", " ").replace("\t", " ").isprintable()
    if plain and next(_runs("".join(text.split()) if spaces else text, secret), None) is None:
        return
    letters = list(_letters(text, spaces=spaces))
    for start, stop in _runs("".join(letter for _, letter in letters), secret):
        yield letters[start][0], letters[stop - 1][0] + 1


def _runs(text: str, secret: str) -> Iterator[tuple[int, int]]:
    """Yield from where to where a text holds a secret, or a long part of it; in order, each place once."""
    least, end = min(PART_LENGTH, len(secret)), 0
    for first, last in sorted(_shared(text, secret)):
        if last - first >= least and last > end:
            yield max(first, end), last
            end = last


def _shared(text: str, secret: str) -> Iterator[tuple[int, int]]:
    """Yield where a text goes on as the secret does, before and behind each trace of it."""
    for trace, offset in _traces(secret):
        place = text.find(trace)
        while place >= 0:
            first, last = place, place + len(trace)
            shift = offset - place
            while first > 0 and first + shift > 0 and text[first - 1] == secret[first + shift - 1]:
                first -= 1
            while last < len(text) and last + shift < len(secret) and text[last] == secret[last + shift]:
                last += 1
            yield first, last
            place = text.find(trace, place + 1)


@lru_cache(maxsize=256)
def _traces(secret: str) -> tuple[tuple[str, int], ...]:
    """Return pieces of a secret with their places in it, one of which each of its long parts holds whole.

    Searching for these few is as fast as searching for the secret. Its public prefix alone is not a match.
    """
    public = _PUBLIC.match(secret)
    begin, step = public.end() if public else 0, PART_LENGTH // 2
    if len(secret) - begin <= PART_LENGTH:
        return ((secret, 0),) if secret else ()
    return tuple((secret[at : at + step], at) for at in range(begin, len(secret) - step + 1, step))


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
