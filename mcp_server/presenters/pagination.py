"""Reads as a model gets them: the fields it chose, as many rows as fit, and how to get the rest."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast, get_args, get_origin

from pydantic import BaseModel, JsonValue

from vpsops.core.common.cursors import decode_cursor, encode_cursor
from vpsops.core.common.json_types import Json
from vpsops.core.operations import Operation
from vpsops.core.operations.catalogue import Addons, OsTemplates, Plans, Regions
from vpsops.core.operations.counts import ServerCount
from vpsops.core.operations.servers import ListArguments, ServerList
from vpsops.core.wayscloud.answers.models import Addon, OsTemplate, Plan, Region, Server
from vpsops.core.wayscloud.answers.regions import region_text
from vpsops.mcp_server.presenters.projection import Projection, ReadArguments
from vpsops.mcp_server.presenters.servers import (
    addons_text,
    plans_text,
    regions_text,
    result_text,
    server_text,
    structured_content,
    templates_text,
)
from vpsops.mcp_server.presenters.size_limit import LONG_ROWS, ROWS, Content, ResultPage, SizeLimit, fit_rows
from vpsops.mcp_server.protocol.text import join_nonempty, quote, sanitize, table

USUAL: Final = ("state", "region", "plan", "ipv4")
KEPT: Final = frozenset({"id", "hostname", "status", "power_state", "extra"})  # identify a server and its state
SERVERS: Final = "servers"
WALK: Final = "~"
WALKED: Final = re.compile(r"([0-9a-f]{8})~(?=[=-])")
MOST: Final = 100
LONGEST_SAID: Final = 400  # a longer cursor is in the structured content only
AFTER_ALL: Final = "|\U0010ffff"  # sorts behind every server of a hostname
REGION_NAME: Final = "region_name"
HEADS: Final = {"hostname": "NAME", "ipv4": "ADDRESS"}


def read_arguments(operation: Operation, asked: ReadArguments) -> Mapping[str, Json]:
    """Return the operation's arguments: one row more than is shown, which reveals the last page.

    Raises `InvalidInputError` for a cursor of another list.
    """
    arguments = dict(asked.arguments)
    if not issubclass(operation.arguments, ListArguments):
        return arguments
    limit, cursor = arguments.get("limit", 20), arguments.get("cursor")
    if isinstance(limit, int) and not isinstance(limit, bool) and 0 < limit < MOST:
        arguments["limit"] = limit + 1
    if isinstance(cursor, str) and cursor:
        arguments["cursor"] = operation_cursor(cursor)
    return arguments


def operation_cursor(cursor: str) -> str:
    """Return the operation's own cursor behind one of a list. Raises `InvalidInputError` for another list's."""
    place = decode_cursor(SERVERS, cursor).removeprefix(f"{walk_in(cursor)}{WALK}")
    return place[1:] if place.startswith("=") else f"{place[1:]}{AFTER_ALL}"


def list_cursor(cursor: str) -> str:
    """Return the cursor for callers after which the operation's own one continues, the same for tool and resource."""
    return encode_cursor(SERVERS, f"={cursor}")


def page_from(result: BaseModel, asked: ReadArguments) -> ResultPage:
    """Return a read's text and structured content, within what a result may take."""
    if isinstance(result, ServerList):
        return servers_page(result, asked)
    if isinstance(result, Server):
        return server_page(result, asked.view)
    listing = CATALOGUE.get(type(result))
    return catalogue_page(listing, result, asked.view) if listing else rows_page(result)


def rows_page(result: BaseModel) -> ResultPage:
    """Return a result with as many rows of its list as fit, if it has one; how many are left out is said."""
    name = listed_field(type(result))
    if not name:
        return result_text(result), structured_content(result)
    rows: Sequence[BaseModel] = getattr(result, name)

    def page(count: int) -> ResultPage:
        some = result.model_copy(update={name: list(rows[:count])})
        left = f"{count} of {len(rows)} are shown; the rest does not fit." if count < len(rows) else ""
        return join_nonempty((result_text(some), left), "\n"), structured_content(some)

    return fit_rows(len(rows), page, LONG_ROWS)


def listed_field(model: type[BaseModel]) -> str:
    """Return the name of the field that is a list of objects, or ""."""
    fields = ((name, info.annotation) for name, info in model.model_fields.items())
    return next(
        (
            name
            for name, kind in fields
            if get_origin(kind) is list and isinstance(row := get_args(kind)[0], type) and issubclass(row, BaseModel)
        ),
        "",
    )


def size_limit_for(asked: ReadArguments) -> SizeLimit:
    """Return the size limit of a page of servers: larger when the caller chose its length."""
    return LONG_ROWS if "limit" in asked.arguments else ROWS


def walk_in(cursor: Json) -> str:
    """Return the id of the kept list that a cursor continues, or "". Raises `InvalidInputError` for another cursor."""
    known = WALKED.match(decode_cursor(SERVERS, cursor)) if isinstance(cursor, str) and cursor else None
    return known[1] if known else ""


def servers_page(listing: ServerList, asked: ReadArguments) -> ResultPage:
    """Return a page of servers, at most as many as the request's limit."""
    chosen, view = asked.arguments.get("limit"), asked.view
    limit = chosen if isinstance(chosen, int) else 20
    names = Counter(server.hostname.lower() for server in listing.servers)
    every = [_row(server, view.fields, twice=names[server.hostname.lower()] > 1) for server in listing.servers[:limit]]

    counts, counts_text = listing.counts, _counts_text(listing.counts)

    def page(count: int) -> ResultPage:
        rows, after = every[:count], _after(listing, count, asked.walk)
        content: Content = {"servers": cast("list[JsonValue]", rows), "total": listing.total}
        if listing.counts:
            content["counts"] = [
                {"by": count.by, "value": sanitize(count.value), "servers": count.servers} for count in counts
            ]
        body, shares = join_nonempty((_server_table(rows), counts_text), "\n"), (count, listing.total)
        if not listing.lacking:
            return _page(body, content, after, shares)
        lacking = sanitize(listing.lacking, LONGEST_SAID)
        content["lacking"] = lacking
        text, content = _page(body, content, after, shares, all_words="listed")
        return join_nonempty((text, lacking), " "), content

    return fit_rows(len(every), page, size_limit_for(asked)) if every else _none(listing, SERVERS)


def _counts_text(counts: Sequence[ServerCount]) -> str:
    """Return the number of servers by each fact, a line for each."""
    by = {
        count.by: [f"{sanitize(other.value, 40)} {other.servers}" for other in counts if other.by == count.by]
        for count in counts
    }
    return join_nonempty((f"By {name}: {', '.join(notes)}." for name, notes in by.items()), "\n")


def _row(server: Server, fields: Sequence[str], *, twice: bool) -> Content:
    """Return a server as a row: its id only when its name is ambiguous, or when the id was chosen."""
    every = structured_content(server)
    if tuple(fields) == ("id",):  # for a walk: the chosen field only
        return {"id": every["id"]}
    chosen = fields or (*USUAL, *(() if server.ipv4 else ("ipv6",)))
    names = dict.fromkeys(("hostname", *(("id",) if twice else ()), *_with_region_name(chosen)))
    return {name: every[name] for name in names if name in every}


def _with_region_name(fields: Sequence[str]) -> tuple[str, ...]:
    """Return fields, with the name of the region beside its id."""
    return tuple(name for field in fields for name in ((field, REGION_NAME) if field == "region" else (field,)))


def _server_table(rows: Sequence[Content]) -> str:
    """Return rows as a table; a row with one address has it in the one column there is for them."""
    one_each = not any("ipv4" in row and "ipv6" in row for row in rows)
    columns = [_with_place(row) for row in rows]
    columns = [{**row, "ipv4": row.get("ipv4", row.get("ipv6"))} for row in columns] if one_each else columns
    names = [
        name for name in dict.fromkeys(name for row in columns for name in row) if not (one_each and name == "ipv6")
    ]
    heads = [HEADS.get(name, name.replace("_", " ").upper()) for name in names]
    return table(heads, [[row.get(name) for name in names] for row in columns])


def _with_place(row: Content) -> Content:
    """Return a row whose region is one cell."""
    place = region_text(str(row.get("region", "")), str(row.get(REGION_NAME, "")))
    cells = {name: value for name, value in row.items() if name != REGION_NAME}
    return {**cells, "region": place} if place else cells


def _after(listing: ServerList, count: int, walk: str) -> str:
    """Return the cursor after the first `count` rows; empty at the end."""
    on = f"{walk}{WALK}" if walk else ""
    last, following = listing.servers[count - 1], listing.servers[count : count + 1]
    if following and following[0].hostname.lower() != last.hostname.lower():
        return encode_cursor(SERVERS, f"{on}-{last.hostname.lower()}")
    if following:
        return encode_cursor(SERVERS, f"{on}={last.hostname.lower()}|{last.id}")
    return encode_cursor(SERVERS, f"{on}={listing.next_cursor}") if listing.next_cursor else ""


def _page(text: str, content: Content, after: str, counts: tuple[int, int], all_words: str = "in all") -> ResultPage:
    count, total = counts
    if after:
        content["next_cursor"] = after
        which = f"cursor {quote(after, LONGEST_SAID)}" if len(after) <= LONGEST_SAID else "the next_cursor"
        return f"{text}\n{count} of {total}; pass {which} for more.", content
    return f"{text}\n{total} {all_words}." if count == total else f"{text}\nThe last of {total}.", content


def _none(listing: ServerList, what: str) -> ResultPage:
    text = f"No {what} match." if listing.total == 0 else f"No more {what}; {listing.total} match."
    if not listing.lacking:
        return join_nonempty((text, sanitize(listing.advice)), " "), {what: [], "total": listing.total}
    lacking = sanitize(listing.lacking, LONGEST_SAID)
    text = f"No {what} are known to match." if listing.total == 0 else text
    return join_nonempty((text, lacking, sanitize(listing.advice)), " "), {
        what: [],
        "total": listing.total,
        "lacking": lacking,
    }


def server_page(server: Server, view: Projection) -> ResultPage:
    """Return one server, or its chosen fields beside its id, name and state."""
    if not view.fields:
        return server_text(server), structured_content(server)
    shown = _with_region_name(view.fields)
    hidden = {name for name in Server.model_fields if name not in KEPT and name not in shown}
    chosen = server.model_copy(update=dict.fromkeys(hidden))
    if "monthly_price" in view.fields:
        chosen = chosen.model_copy(update={"currency": server.currency})
    every = structured_content(server)
    names = dict.fromkeys(("id", "hostname", *shown))
    return server_text(chosen), {name: every[name] for name in names if name in every}


@dataclass(frozen=True, slots=True)
class CatalogueSection:
    """A section of the catalogue: its name, its order, and the texts of its entries."""

    name: str
    order: Callable[[BaseModel], str]
    words: Callable[[BaseModel], str]
    render: Callable[[Sequence[BaseModel]], ResultPage]


def catalogue_page(listing: CatalogueSection, result: BaseModel, view: Projection) -> ResultPage:
    """Return a page of a catalogue, in its order. Raises `InvalidInputError` for a cursor of another list."""
    place = decode_cursor(listing.name, view.cursor) if view.cursor else ""
    every: Sequence[BaseModel] = getattr(result, listing.name)
    name, lacking = view.name.lower(), sanitize(getattr(result, "lacking", ""), LONGEST_SAID)
    rows = sorted((row for row in every if name in listing.words(row).lower()), key=listing.order)
    rest = [row for row in rows if listing.order(row) > place]

    def page(count: int) -> ResultPage:
        text, content = listing.render(rest[:count])
        after = encode_cursor(listing.name, listing.order(rest[count - 1])) if count < len(rest) else ""
        if count < len(every):
            content["total"] = len(rows)
        if not lacking:
            return _page(text, content, after, (count, len(rows)))
        text, content = _page(text, content, after, (count, len(rows)), all_words="listed")
        return join_nonempty((text, lacking), " "), content

    if rest:
        return fit_rows(min(len(rest), MOST), page)
    text, content = listing.render([])
    text = f"Nothing here matches {quote(view.name)}." if every and name else text
    return join_nonempty((text, lacking), " "), {**content, "total": len(rows)}


def _plan_order(plan: BaseModel) -> str:
    priced = cast("Plan", plan)
    price = "~" if priced.monthly_price is None else f"{priced.monthly_price:018.4f}"
    return f"{price}|{priced.code.lower()}|{priced.code}"


def _plans(some: Sequence[BaseModel]) -> ResultPage:
    plans = Plans(plans=cast("list[Plan]", list(some)))
    return plans_text(plans), structured_content(plans)


def _templates(some: Sequence[BaseModel]) -> ResultPage:
    templates = OsTemplates(os_templates=cast("list[OsTemplate]", list(some)))
    return templates_text(templates), structured_content(templates)


def _regions(some: Sequence[BaseModel]) -> ResultPage:
    regions = Regions(regions=cast("list[Region]", list(some)))
    return regions_text(regions), structured_content(regions)


def _addons(some: Sequence[BaseModel]) -> ResultPage:
    addons = Addons(addons=cast("list[Addon]", list(some)))
    return addons_text(addons), structured_content(addons)


def _by(name: str) -> Callable[[BaseModel], str]:
    return lambda row: f"{str(getattr(row, name)).lower()}|{getattr(row, name)}"


def _words(*names: str) -> Callable[[BaseModel], str]:
    return lambda row: join_nonempty((str(getattr(row, name) or "") for name in names), " ")


CATALOGUE: Final[Mapping[type[BaseModel], CatalogueSection]] = {
    Plans: CatalogueSection("plans", _plan_order, _words("code", "name"), _plans),
    OsTemplates: CatalogueSection("os_templates", _by("id"), _words("id", "name", "family"), _templates),
    Regions: CatalogueSection("regions", _by("code"), _words("code", "name", "city", "country"), _regions),
    Addons: CatalogueSection("addons", _by("code"), _words("code", "name", "kind"), _addons),
}
