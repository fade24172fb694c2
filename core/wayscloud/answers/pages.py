"""A list over several answers: the signs in one that the list continues, and the way through its pages.

No source documents pages for this API. The forms below are those of other clouds and of the frameworks in use: where
one of them appears it is followed, and any other sign of more makes the list incomplete.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from urllib.parse import parse_qsl, urlsplit

import anyio
import structlog

from vpsops.core.wayscloud.answers import field_readers
from vpsops.core.wayscloud.answers.errors import WayscloudError
from vpsops.core.wayscloud.answers.models import JSON, ProviderList

T = TypeVar("T")
logger = structlog.get_logger(__name__)

Query = tuple[tuple[str, str], ...]

TOTALS: Final = ("total", "total_count", "total_entries", "total_items")
NESTED: Final = ("meta", "pagination", "paging", "page_info", "links", "pages", "_links", "_meta")
LINKS: Final = ("next", "next_url", "next_link", "next_page_url", "next_page")
TOKENS: Final = {"next_cursor": "cursor", "next_page_token": "page_token", "next_token": "next_token"}
LAST_PAGES: Final = ("last_page", "total_pages", "page_count", "pages")
MORE: Final = ("has_more", "has_next", "more")
LINK: Final = re.compile(r'<([^<>]*)>\s*;[^,]*\brel\s*=\s*"?next\b', re.IGNORECASE)
LONGEST: Final = 2000
DEPTH: Final = 3
MAX_PAGES: Final = 100


@dataclass(frozen=True, slots=True)
class NextPage:
    """What an answer states of the rest of its list: the total, and where the next page is, if any."""

    total: int | None = None
    more: bool = False
    query: Query | None = None  # of the next page; None without one, or if its form is not known


def next_page_of(json: JSON, link: str, path: str, asked: Query) -> NextPage:
    """Read the signs in an answer and its Link header; `path` is its own, and the only one that is followed."""
    marks = _marks(json, DEPTH)
    total = next((value for name in TOTALS if (value := field_readers.whole(marks.get(name))) is not None), None)
    places = [place for name in LINKS if (place := marks.get(name)) not in (None, "", False)]
    header = LINK.search(link[:LONGEST])
    if header is not None:
        places.insert(0, header[1])
    for place in places:
        return NextPage(total, more=True, query=_query(place, path, asked))
    for name, parameter in TOKENS.items():
        token = field_readers.text(marks.get(name))
        if token:
            return NextPage(total, more=True, query=_with(asked, parameter, token))
    number, last = _page(marks, asked)
    if number is not None and last is not None and number < last:
        return NextPage(total, more=True, query=_with(asked, "page", str(number + 1)))
    return NextPage(total, more=any(field_readers.flag(marks.get(name)) is True for name in MORE))


def _marks(json: JSON, depth: int) -> dict[str, JSON]:
    """Return an answer's own fields with those of its objects about pages, outer ones first."""
    if not isinstance(json, dict):
        return {}
    theirs = {key.lower(): value for key, value in json.items()}
    marks = dict(theirs)
    for name in NESTED:
        if depth and isinstance(theirs.get(name), dict):
            for key, value in _marks(theirs[name], depth - 1).items():
                if not isinstance(marks.get(key), str | int | float) or marks.get(key) is None:
                    marks[key] = value
    return marks


def _page(marks: Mapping[str, JSON], asked: Query) -> tuple[int | None, int | None]:
    own = dict(asked).get("page", "1")
    number = field_readers.whole(next((marks[name] for name in ("page", "current_page") if name in marks), own))
    last = next((value for name in LAST_PAGES if (value := field_readers.whole(marks.get(name))) is not None), None)
    return number, last


def _query(place: JSON, path: str, asked: Query) -> Query | None:
    """Return the query of a next-page value: an address of this very list, or the number of a page."""
    if isinstance(place, dict):
        place = place.get("href") or place.get("url")
    number = field_readers.whole(place)
    if number is not None:
        return _with(asked, "page", str(number))
    if not isinstance(place, str) or len(place) > LONGEST:
        return None
    try:
        parts = urlsplit(place)
    except ValueError:
        return None
    own = not parts.path or parts.path.rstrip("/").endswith(path.rstrip("/"))
    return tuple(parse_qsl(parts.query)) if own and parts.query else None


def _with(asked: Query, name: str, value: str) -> Query:
    return (*((key, old) for key, old in asked if key != name), (name, value))


@dataclass(frozen=True, slots=True)
class ListPage(Generic[T]):
    """One page of a list, and its sign of the rest."""

    entries: ProviderList[T]
    sign: NextPage


async def collect(
    first: ListPage[T], read: Callable[[Query], Awaitable[ListPage[T]]], name: Callable[[T], str], seconds: float
) -> ProviderList[T]:
    """Return a whole list from its first page on, entries of one name once, and the parts that could not be followed.

    A page that fails, leads back, or is one too many ends it: the list is incomplete then, and no error.
    """
    total, unreadable, received = first.sign.total, first.entries.unreadable, len(first.entries)
    entries = {name(entry): entry for entry in first.entries}
    sign = first.sign
    asked: set[Query] = {()}
    with anyio.move_on_after(seconds):
        while sign.query is not None and sign.query not in asked and len(asked) < MAX_PAGES:
            asked.add(sign.query)
            try:
                page = await read(sign.query)
            except WayscloudError as error:
                logger.warning("list_page_unreadable", error=error.message)
                break
            fresh = {name(entry): entry for entry in page.entries if name(entry) not in entries}
            total = page.sign.total if page.sign.total is not None else total
            unreadable += page.entries.unreadable
            if not fresh and page.entries:
                break
            entries, received, sign = entries | fresh, received + len(fresh), page.sign
    claimed = total if total is not None else first.entries.total
    whole = None if claimed is None else len(entries) + max(claimed - received - len(unreadable), 0)
    return ProviderList(list(entries.values()), unreadable=unreadable, total=whole, more=sign.more)
