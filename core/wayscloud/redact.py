"""Secrets out of texts, before they reach a person, a model or a log."""

import re
from typing import Final

MASK: Final = "•••"  # outside ASCII, so that a secret (always ASCII) can never be found in it
LIMIT: Final = 300

_NAMES: Final = r"(?-i:(?!WAYSCLOUD_API_(?:KEY|URL)(?:_FILE)?(?![\w=]|:\S)))"  # of settings, which hints tell people
_SECRET: Final = re.compile(_NAMES + r"(wayscloud_[a-z0-9]+_)[^\s\"',{}]+", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def redact(text: str, *secrets: str) -> str:
    """Return `text` without the given secrets and without anything that looks like a key of the provider."""
    for secret in secrets:
        text = text.replace(secret, MASK) if secret else text
    return _SECRET.sub(rf"\g<1>{MASK}", text)


def tidy(text: str, *secrets: str, limit: int = LIMIT) -> str:
    """Return text from outside fit for showing: redacted, without control characters, at most `limit` long."""
    clean = " ".join(_CONTROL.sub(" ", redact(text, *secrets)).split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
