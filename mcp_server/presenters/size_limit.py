"""Keeps results within the bytes that a model should have to read: whole rows first, then shorter words."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from pydantic import JsonValue

RESULT_BYTES: Final = 5_000
"""Of one result, its text and its structured content together. Two to three bytes are a token of o200k_base."""
LONG_RESULT_BYTES: Final = 10_000
"""For a list requested with a limit."""
SHORTER: Final = (250, 120, 60, 30, 12)
SHORTEST_BYTES: Final = 40
"""A shorter text is useless."""
TAIL: Final = 120
"""Characters kept of a cut text's end, which holds an error's id."""
GAP: Final = " … "
Content = dict[str, JsonValue]
ResultPage = tuple[str, Content]
"""A text and its structured content."""


def size_of(text: str) -> int:
    """Return the bytes of a text on the wire."""
    return len(text.encode("utf-8", "surrogatepass"))


def cost(text: str, content: Mapping[str, JsonValue] | None = None) -> int:
    """Return the bytes of a result."""
    return size_of(text) + (size_of(compact(content)) if content is not None else 0)


def compact(content: Mapping[str, JsonValue]) -> str:
    """Return structured content in its wire form."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def rows_cost(text: str, content: Mapping[str, JsonValue] | None = None) -> int:
    """Return the bytes of a result with its rows in both parts: a host gives a model only one, so they count once."""
    return max(size_of(text), size_of(compact(content)) if content is not None else 0)


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """How much a result may take, and how that is counted."""

    size: int = RESULT_BYTES
    cost: Callable[[str, Mapping[str, JsonValue] | None], int] = cost

    def holds(self, page: ResultPage | tuple[str, Content | None]) -> bool:
        """Return whether a result keeps within the bound."""
        return self.cost(*page) <= self.size


RESULT: Final = SizeLimit()
ROWS: Final = SizeLimit(RESULT_BYTES, rows_cost)
LONG_ROWS: Final = SizeLimit(LONG_RESULT_BYTES, rows_cost)
"""For a list with a length that the caller chose."""


def fit_rows(count: int, page: Callable[[int], ResultPage], bound: SizeLimit = RESULT) -> ResultPage:
    """Return the largest page of at most `count` rows that fits, with at least one row if there are any."""
    whole = page(count)
    if count <= 1 or bound.holds(whole):
        return whole
    fits, too_many = 1, count
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if bound.holds(page(middle)) else (fits, middle)
    return page(fits)


def fit_result(text: str, content: Content | None, bound: SizeLimit = RESULT) -> tuple[str, Content | None]:
    """Return a result that fits: unchanged, or with its longest values and then its text cut."""
    for shorter in SHORTER:
        if bound.holds((text, content)):
            return text, content
        content = cast("Content | None", _cut(content, shorter))
    left = bound.size - (bound.cost("", content) if content is not None and bound is RESULT else 0)
    return _clipped(text, left), content


def _cut(value: JsonValue, most: int) -> JsonValue:
    if isinstance(value, str):
        return value if len(value) <= most else f"{value[: most - 1]}…"
    if isinstance(value, list):
        return [_cut(item, most) for item in value]
    if isinstance(value, dict):
        return {key: item if key == "next_cursor" else _cut(item, most) for key, item in value.items()}
    return value


def _clipped(text: str, most: int) -> str:
    if size_of(text) <= most:
        return text
    if most < SHORTEST_BYTES:
        return ""
    tail = text[-min(TAIL, most // 8) :]  # half of it, at four bytes each
    room = most - size_of(GAP + tail)
    return f"{text.encode('utf-8', 'surrogatepass')[:room].decode('utf-8', 'ignore')}{GAP}{tail}"
