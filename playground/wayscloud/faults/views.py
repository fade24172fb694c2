"""What the faults of a view do to an honest answer: pure functions from one answer to another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from vpsops.playground.wayscloud.faults.kinds import Kind
from vpsops.playground.wayscloud.faults.responses import Answer
from vpsops.playground.wayscloud.faults.rules import Fault

Json = dict[str, Any]
LISTS = ("instances", "vps_instances")
STAMPS = ("created_at", "provisioned_at")
PRICES = ("price", "monthly_price")
ADDRESSES = ("ipv4_address", "ip_address", "ipv4")


@dataclass(frozen=True, slots=True)
class Sight:
    """A view's input besides the answer; `peer` gives the same answer about another server."""

    fault: Fault
    luck: Random
    url: str
    query: Mapping[str, str]
    now: datetime
    peer: Callable[[], Answer | None]


View = Callable[[Answer, Sight], Answer]


def is_listing(body: object) -> bool:
    """Return whether a body is the list of servers."""
    return isinstance(body, dict) and any(isinstance(body.get(key), list) for key in LISTS)


def each_object(answer: Answer, change: Callable[[Json], Json]) -> Answer:
    """Change every server, plan or usage in an answer."""
    body = answer.body
    if isinstance(body, list):
        return replace(answer, body=[change(dict(item)) for item in body])
    if not isinstance(body, dict):
        return answer
    if is_listing(body):
        return each_list(answer, lambda items: [change(dict(item)) for item in items])
    return replace(answer, body=change(dict(body)))


def each_list(answer: Answer, change: Callable[[list[Json]], list[Json]]) -> Answer:
    """Change the list of servers, under each key it comes under; `total` stays."""
    if not isinstance(answer.body, dict) or not is_listing(answer.body):
        return answer
    keys = [key for key in LISTS if isinstance(answer.body.get(key), list)]
    return replace(answer, body=answer.body | {key: change(list(answer.body[key])) for key in keys})


def about(sight: Sight, item: Json) -> bool:
    """Return whether a rule applies to this server; one without a hostname is included."""
    return "hostname" not in item or fnmatchcase(str(item["hostname"]), sight.fault.hosts)


def fields(answer: Answer, sight: Sight) -> Answer:
    """Leave fields out, or null."""
    fault = sight.fault

    def change(item: Json) -> Json:
        if not about(sight, item):
            return item
        left = {key: value for key, value in item.items() if not fault.only or key in fault.only}
        return {key: None if key in fault.null else value for key, value in left.items() if key not in fault.without}

    return each_object(answer, change)


def word(answer: Answer, sight: Sight) -> Answer:
    """Show another status."""
    return each_object(
        answer, lambda item: item | {"status": sight.fault.word} if "status" in item and about(sight, item) else item
    )


def uptime(answer: Answer, sight: Sight) -> Answer:
    """Step back in the count of seconds."""

    def change(item: Json) -> Json:
        count = item.get("uptime_seconds")
        return item if count is None else item | {"uptime_seconds": max(0, int(count - sight.fault.seconds))}

    return each_object(answer, change)


def wrong_server(answer: Answer, sight: Sight) -> Answer:
    """Answer about another server, or under another id."""
    if sight.fault.word:
        return each_object(
            answer, lambda item: item | {key: sight.fault.word for key in ("id", "vps_id") if key in item}
        )
    return answer if is_listing(answer.body) else (sight.peer() or answer)


def ghost(answer: Answer, sight: Sight) -> Answer:
    """Add a server that is nowhere else."""
    name = sight.fault.word or "ghost.example.com"
    there: Json = {"id": f"00000000-0000-4000-8000-{sum(map(ord, name)):012d}", "hostname": name}

    def change(items: list[Json]) -> list[Json]:
        return [*items, (items[0] if items else {"status": "active"}) | there]

    return _counted(each_list(answer, change))


def duplicate(answer: Answer, sight: Sight) -> Answer:
    """Show each server twice."""
    del sight
    return _counted(each_list(answer, lambda items: [item for item in items for _ in range(2)]))


def shuffle(answer: Answer, sight: Sight) -> Answer:
    """Show the servers in another order."""

    def change(items: list[Json]) -> list[Json]:
        return sight.luck.sample(items, len(items))

    return each_list(answer, change)


def readdress(answer: Answer, sight: Sight) -> Answer:
    """Show another address."""
    address = f"198.19.{sight.luck.randrange(256)}.{sight.luck.randrange(256)}"

    def change(item: Json) -> Json:
        return item | {key: address for key in ADDRESSES if item.get(key) and about(sight, item)}

    return each_object(answer, change)


def reprice(answer: Answer, sight: Sight) -> Answer:
    """Change prices, and the currency if one is named."""
    fault = sight.fault

    def change(item: Json) -> Json:
        prices = {key: round(item[key] * fault.factor, 2) for key in PRICES if isinstance(item.get(key), int | float)}
        currency = {"currency": fault.currency} if fault.currency and "currency" in item else {}
        return item | prices | currency

    return each_object(answer, change)


def pages(answer: Answer, sight: Sight) -> Answer:
    """Send a part of the list, and mark that in one of several ways."""
    if not isinstance(answer.body, dict) or not is_listing(answer.body):
        return answer
    fault = sight.fault
    leads_on = fault.form not in ("total", "silent")
    number = int(sight.query.get("page", "1")) if leads_on and sight.query.get("page", "1").isdecimal() else 1
    everything = max(len(answer.body[key]) for key in LISTS if isinstance(answer.body.get(key), list))
    start = (max(number, 1) - 1) * fault.size
    part = each_list(answer, lambda items: items[start : start + fault.size])
    count = len(range(everything)[start : start + fault.size])
    more = f"{sight.url}?page={number + 1}" if start + fault.size < everything else ""
    return _marked(part, fault.form or "total", Page(number, fault.size, everything, count, more))


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its number and size, how many servers there are and it has, and where the next one is."""

    number: int
    size: int
    everything: int
    count: int
    more: str


def _marked(answer: Answer, form: str, page: Page) -> Answer:
    body: Json = dict(answer.body) if isinstance(answer.body, dict) else {}
    silent = {key: value for key, value in body.items() if key != "total"}
    match form:
        case "total":
            return replace(answer, body=body | {"total": page.everything})
        case "next":
            return replace(answer, body=silent | {"next": page.more or None})
        case "link":
            link = {"link": f'<{page.more}>; rel="next"'} if page.more else {}
            return replace(answer, body=silent, headers={**answer.headers, **link})
        case "pagination":
            last = -(-page.everything // page.size)
            marks = {"page": page.number, "per_page": page.size, "total": page.everything, "pages": last}
            return replace(answer, body=silent | {"meta": {"pagination": marks}})
        case "has_more":
            return replace(answer, body=silent | {"has_more": bool(page.more)})
        case _:
            return replace(answer, body=body | {"total": page.count})


def skew(answer: Answer, sight: Sight) -> Answer:
    """Shift the time by a wrong clock's offset, in the header and in stamps."""
    ahead = timedelta(seconds=sight.fault.seconds)

    def change(item: Json) -> Json:
        return item | {key: _later(item[key], ahead) for key in STAMPS if isinstance(item.get(key), str)}

    date = {"date": format_datetime(sight.now + ahead, usegmt=True)}
    return each_object(replace(answer, headers={**answer.headers, **date}), change)


def _later(stamp: str, ahead: timedelta) -> str:
    moved = datetime.fromisoformat(stamp) + ahead
    return moved.isoformat().replace("+00:00", "Z") if stamp.endswith("Z") else moved.isoformat()


def _counted(answer: Answer) -> Answer:
    body = answer.body
    if not isinstance(body, dict) or "total" not in body:
        return answer
    count = max((len(body[key]) for key in LISTS if isinstance(body.get(key), list)), default=body["total"])
    return replace(answer, body=body | {"total": count})


VIEWS: Mapping[Kind, View] = {
    "pages": pages,
    "fields": fields,
    "word": word,
    "uptime": uptime,
    "wrong_server": wrong_server,
    "ghost": ghost,
    "duplicate": duplicate,
    "shuffle": shuffle,
    "readdress": readdress,
    "reprice": reprice,
    "skew": skew,
}


def seen(answer: Answer, sights: Sequence[Sight]) -> Answer:
    """Return an answer as all the rules that strike show it; lists are cut into pages last."""
    for sight in sorted(sights, key=lambda sight: sight.fault.kind == "pages"):
        view = VIEWS.get(sight.fault.kind)
        answer = view(answer, sight) if view else answer
    return answer
