"""Keeps results within what a model should have to read: whole rows first, then shorter words; pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from pydantic import JsonValue

from vpsops.mcp_server.presenters.budget import tokens

BUDGET = 2_000  # tokens of one result, its text and its structured content together
LONG_BUDGET = 4_000  # of a list that was asked for with a limit
SHORTER = (250, 120, 60, 30, 12)
SHORTEST = 16  # tokens that are worth saying anything in
TAIL = 120  # characters of a cut text's end: an error's id stands there
Content = dict[str, JsonValue]
Page = tuple[str, Content]
"""A text and its structured content."""


def cost(text: str, content: Mapping[str, JsonValue] | None = None) -> int:
    """Return a number of tokens that a result does not exceed."""
    return tokens(text) + (tokens(compact(content)) if content is not None else 0)


def compact(content: Mapping[str, JsonValue]) -> str:
    """Return structured content as it goes on the wire."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def rows_cost(text: str, content: Mapping[str, JsonValue] | None = None) -> int:
    """Return the tokens of a result whose rows stand in both: a host hands a model one of them, so they count once."""
    return max(tokens(text), tokens(compact(content)) if content is not None else 0)


@dataclass(frozen=True, slots=True)
class Bound:
    """How much a result may take, and how that is counted."""

    tokens: int = BUDGET
    cost: Callable[[str, Mapping[str, JsonValue] | None], int] = cost

    def holds(self, page: Page | tuple[str, Content | None]) -> bool:
        """Say whether a result keeps within the bound."""
        return self.cost(*page) <= self.tokens


RESULT: Final = Bound()
ROWS: Final = Bound(BUDGET, rows_cost)
LONG_ROWS: Final = Bound(LONG_BUDGET, rows_cost)
"""Of a list whose length the caller chose."""


def longest(count: int, page: Callable[[int], Page], bound: Bound = RESULT) -> Page:
    """Return the page with the most of `count` rows that fits, and with one row at least where there is any."""
    whole = page(count)
    if count <= 1 or bound.holds(whole):
        return whole
    fits, too_many = 1, count
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if bound.holds(page(middle)) else (fits, middle)
    return page(fits)


def bounded(text: str, content: Content | None, bound: Bound = RESULT) -> tuple[str, Content | None]:
    """Return a result that fits: as it is, or with its longest values and then its text cut."""
    for shorter in SHORTER:
        if bound.holds((text, content)):
            return text, content
        content = cast("Content | None", _cut(content, shorter))
    left = bound.tokens - (bound.cost("", content) if content is not None and bound is RESULT else 0)
    return _clipped(text, left), content


def _cut(value: JsonValue, most: int) -> JsonValue:
    if isinstance(value, str):
        return value if len(value) <= most else f"{value[: most - 1]}…"
    if isinstance(value, list):
        return [_cut(one, most) for one in value]
    if isinstance(value, dict):
        return {key: one if key == "next_cursor" else _cut(one, most) for key, one in value.items()}
    return value


def _clipped(text: str, most: int) -> str:
    if tokens(text) <= most:
        return text
    if most < SHORTEST:
        return ""
    tail = text[-min(TAIL, most // 8) :]  # half of it, at four bytes each
    fits, too_long = 0, len(text) - len(tail)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        fits, too_long = (middle, too_long) if tokens(f"{text[:middle]} … {tail}") <= most else (fits, middle)
    return f"{text[:fits]} … {tail}"
