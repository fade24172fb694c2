"""The fleet in figures, for prompts: what it costs, what is not running, what was changed; bounded, and pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

from pydantic import JsonValue

from core.changes.model import Change, State
from core.wayscloud.models import Plan, Server, same_region
from mcp_server.text import clean, clean_json
from mcp_server.told import change_result

MANY = 30
UNTOLD = "(not told)"
Content = dict[str, JsonValue]


def within(servers: Sequence[Server], region: str) -> list[Server]:
    """Return the servers of a region, or all."""
    return [one for one in servers if not region or (one.region is not None and same_region(one.region, region))]


def costs(servers: Sequence[Server], plans: Sequence[Plan]) -> Content:
    """Return what the servers cost a month by plan, the dearest first, and which stopped ones still cost."""
    prices = {plan.code: plan for plan in plans}
    groups: dict[str, list[Server]] = {}
    for one in servers:
        groups.setdefault(one.plan or UNTOLD, []).append(one)
    rows = sorted((_row(code, some, prices.get(code)) for code, some in groups.items()), key=_dearest)
    stopped = [one for one in servers if one.off]
    return _cleaned(
        {
            "servers": len(servers),
            "by_plan": cast("list[JsonValue]", rows[:MANY]),
            "without_a_known_plan": len(groups.get(UNTOLD, [])),
            "plans_left_out": max(len(rows) - MANY, 0),
            "a_month": _totals(rows),
            "without_a_known_price": sum(int(str(row["servers"])) for row in rows if "each_a_month" not in row),
            "stopped": len(stopped),
            "stopped_servers": [_brief(one) for one in stopped[:MANY]],
        }
    )


def _row(code: str, some: Sequence[Server], plan: Plan | None) -> Content:
    row: Content = {"plan": code, "servers": len(some), "stopped": sum(one.off for one in some)}
    known = next((one for one in some if one.monthly_price is not None), None)
    each = known.monthly_price if known else plan.monthly_price if plan else None
    if each is None:
        return row
    currency = (known.currency if known else plan.currency if plan else None) or ""
    return {**row, "each_a_month": each, "all_a_month": round(each * len(some), 2), "currency": currency}


def _dearest(row: Content) -> tuple[float, str]:
    return -float(str(row.get("all_a_month", 0))), str(row["plan"])


def _totals(rows: Sequence[Content]) -> Content:
    sums: Counter[str] = Counter()
    for row in rows:
        if "all_a_month" in row:
            sums[str(row["currency"]) or "currency not told"] += cast("int", row["all_a_month"])
    return {currency: round(amount, 2) for currency, amount in sums.items()}


def standing(servers: Sequence[Server]) -> Content:
    """Return how many servers are in which state, and those that are not running."""
    troubled = sorted((one for one in servers if not one.ready), key=lambda one: (not one.failed, one.hostname))
    states: Content = dict(Counter(clean(one.state, 40) for one in servers).most_common(MANY))
    return _cleaned(
        {
            "servers": len(servers),
            "by_state": states,
            "not_running": [_brief(one) for one in troubled[:MANY]],
            "not_running_left_out": max(len(troubled) - MANY, 0),
        }
    )


def _brief(one: Server) -> JsonValue:
    told = {"id": one.id, "hostname": one.hostname, "state": one.state, "plan": one.plan, "region": one.region}
    return {key: value for key, value in told.items() if value is not None}


def recent(changes: Sequence[Change], now: datetime, hours: float, *, tools: bool) -> Content:
    """Return the changes that are open, and those that moved within the last hours."""
    since = now - timedelta(hours=hours)
    still = [one for one in changes if one.state.open]
    ended = [one for one in changes if not one.state.open and one.updated_at >= since]
    outcomes: Content = dict(Counter(one.state.value for one in ended))
    return _cleaned(
        {
            "hours": hours,
            "open": [_told(one, tools=tools) for one in still[:MANY]],
            "needs_a_person": sum(one.state is State.NEEDS_PERSON for one in still),
            "ended": [_told(one, tools=tools) for one in ended[:MANY]],
            "ended_by_outcome": outcomes,
        }
    )


def _told(change: Change, *, tools: bool) -> JsonValue:
    shown = change_result(change, tools=tools).model_dump(mode="json", exclude_none=True, exclude={"result"})
    return {**shown, "asked_by": change.actor.claim, "asked_at": change.created_at.isoformat(timespec="minutes")}


def of_server(changes: Sequence[Change], server: Server) -> list[Change]:
    """Return the changes of one server."""
    return [one for one in changes if server.id in {one.target.id, str(one.result.get("id", ""))}]


def _cleaned(content: Mapping[str, JsonValue]) -> Content:
    return cast("Content", clean_json(dict(content)))
