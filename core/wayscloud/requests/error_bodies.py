"""The provider's message in an error answer: the sentence inside the known error shapes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vpsops.core.common.redaction import LIMIT, tidy
from vpsops.core.wayscloud.answers.models import JSON
from vpsops.core.wayscloud.requests.response_body import Body

KEYS: Final = ("detail", "error", "message", "msg", "title")
WHERE: Final = frozenset({"body", "query", "path", "header"})
MAX_ITEMS: Final = 10
MAX_DEPTH: Final = 4
SILENT: Final = frozenset({"script", "style"})


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """The message, bounded and without secrets, and one sentence for each field it names."""

    text: str = ""
    fields: tuple[str, ...] = ()


def parse_error_body(body: Body, *secrets: str) -> ErrorDetail:
    """Read an error body of any shape seen: JSON under `detail`, `error` or `message`, or no JSON at all."""
    try:
        json = body.json()
    except ValueError:
        plain = body.content[: LIMIT * 40].decode("utf-8", "replace")
        return ErrorDetail(tidy(text_of_html(plain) if "<" in plain else plain, *secrets))
    return parse_error_json(json, *secrets)


def text_of_html(page: str) -> str:
    """Return the text of a page; a proxy's error page names itself in its title and heading, once here."""
    from html.parser import HTMLParser  # noqa: PLC0415 - for the pages of proxies alone

    class Reader(HTMLParser):
        """Collects words, without those of scripts and styles."""

        def __init__(self) -> None:
            super().__init__(convert_charrefs=True)
            self.words: list[str] = []
            self._silent = 0

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            del attrs
            self._silent += tag in SILENT

        def handle_endtag(self, tag: str) -> None:
            self._silent = max(self._silent - (tag in SILENT), 0)

        def handle_data(self, data: str) -> None:
            if not self._silent:
                self.words.append(data.strip())

    reader = Reader()
    reader.feed(page)
    reader.close()
    return ". ".join(dict.fromkeys(word for word in reader.words if word))


def parse_error_json(json: JSON, *secrets: str) -> ErrorDetail:
    """Read an error that is JSON already."""
    sentences = [tidy(sentence, *secrets) for sentence in _sentences(json, MAX_DEPTH)[:MAX_ITEMS]]
    fields = tuple(sentence for sentence in sentences if ": " in sentence) if _names_fields(json) else ()
    return ErrorDetail(tidy("; ".join(sentence for sentence in sentences if sentence)), fields)


def _sentences(json: JSON, depth: int) -> list[str]:
    if isinstance(json, str):
        return [json]
    if isinstance(json, list) and depth:
        return [sentence for item in json[:MAX_ITEMS] for sentence in _sentences(item, depth - 1)]
    if isinstance(json, dict) and depth:
        return _of_object({key.lower(): value for key, value in json.items()}, depth)
    return []


def _of_object(theirs: Mapping[str, JSON], depth: int) -> list[str]:
    for key in KEYS:
        sentences = [sentence for sentence in _sentences(theirs.get(key), depth - 1) if sentence.strip()]
        if sentences:
            place = _place(theirs)
            return [f"{place}: {sentence}" if place else sentence for sentence in sentences]
    return []


def _place(theirs: Mapping[str, JSON]) -> str:
    """Return the field that an error item is about: pydantic's `loc`, or `details.field` of the older API."""
    loc = theirs.get("loc")
    if isinstance(loc, list):
        parts = [str(part) for part in loc if isinstance(part, str | int)]
        return ".".join(parts[1:] if parts and parts[0] in WHERE else parts)
    details = theirs.get("details")
    field = details.get("field") if isinstance(details, dict) else None
    return field if isinstance(field, str) else ""


def _names_fields(json: JSON) -> bool:
    """Return whether some error item in here names the field it means."""
    if isinstance(json, dict):
        return bool(_place(json)) or any(_names_fields(json.get(key)) for key in KEYS)
    return isinstance(json, list) and any(_names_fields(item) for item in json[:MAX_ITEMS])
