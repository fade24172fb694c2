"""The fleet in figures, for prompts: its cost, servers that are not running, recent changes; bounded."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

from pydantic import JsonValue

from vpsops.core.changes.model import Change, State
from vpsops.core.operations.prices import LAST, LabelCost, Price, costs_by_label, monthly, sums_of
from vpsops.core.wayscloud.answers.models import Plan, Server, same_region
from vpsops.mcp_server.presenters.changes import change_result
from vpsops.mcp_server.protocol.text import sanitize, sanitize_json

MANY = 30
LABELS = 20
UNREPORTED = "(not reported)"
Content = dict[str, JsonValue]


def servers_in_region(servers: Sequence[Server], region: str) -> list[Server]:
    """Return the servers of a region, or all."""
    return [
        server for server in servers if not region or (server.region is not None and same_region(server.region, region))
    ]


def summarize_costs(servers: Sequence[Server], plans: Sequence[Plan], region: str = "", lacking: str = "") -> Content:
    """Return the monthly cost of a region's servers by plan, the dearest first, and the stopped ones that still cost.

    Servers with unknown values are counted; prices without a currency are not summed.
    """
    prices = {plan.code.lower(): plan for plan in plans}
    groups: dict[str, list[Server]] = {}
    here = servers_in_region(servers, region)
    for server in here:
        groups.setdefault(server.plan or UNREPORTED, []).append(server)
    rows = sorted((_row(code, some, prices.get(code.lower())) for code, some in groups.items()), key=_dearest)
    stopped = [server for server in here if server.off]
    priced = [
        amount for server in here if (amount := monthly(server, prices.get((server.plan or "").lower()))) is not None
    ]
    content: Content = {
        "servers": len(here),
        "by_plan": cast("list[JsonValue]", rows[:MANY]),
        "without_a_known_plan": len(groups.get(UNREPORTED, [])),
        "plans_left_out": max(len(rows) - MANY, 0),
        "a_month": _totals(priced),
        "without_a_known_price": len(here) - len(priced),
        "without_a_known_currency": sum(not price.currency for price in priced),
        "stopped": len(stopped),
        "stopped_servers": [_brief(server) for server in stopped[:MANY]],
    }
    unknown: Content = {
        "region_not_known": sum(bool(region) and server.region is None for server in servers),
        "power_not_known": sum(server.power_unknown for server in here),
        "labels_not_known": sum(server.labels is None for server in here),
        "list_lacks": lacking,
    }
    return _cleaned(content | _label_costs(here, plans) | {name: value for name, value in unknown.items() if value})


def _row(code: str, some: Sequence[Server], plan: Plan | None) -> Content:
    row: Content = {"plan": code, "servers": len(some), "stopped": sum(server.off for server in some)}
    prices = [monthly(server, plan) for server in some]
    known = {price for price in prices if price is not None and price.currency}
    if None in prices or len({price.currency for price in known}) != 1 or len(known) != len(set(prices)):
        return row
    if len(known) == 1:
        row["each_a_month"] = next(iter(known)).amount
    every = math.fsum(price.amount for price in prices if price is not None)
    return {**row, "all_a_month": round(every, 2), "currency": next(iter(known)).currency}


def _label_costs(servers: Sequence[Server], plans: Sequence[Plan]) -> Content:
    """Return the cost by label: the dearest, and always those of servers without a label or with unknown ones."""
    if all(server.labels is None for server in servers):
        return {}
    costs = costs_by_label(servers, plans)
    named, rest = [cost for cost in costs if cost.label not in LAST], [cost for cost in costs if cost.label in LAST]
    rows = [_label_row(cost) for cost in (*named[:LABELS], *rest)]
    return {"by_label": rows, "labels_left_out": max(len(named) - LABELS, 0)}


def _label_row(cost: LabelCost) -> JsonValue:
    row: Content = {"label": cost.label, "servers": cost.servers, "a_month": _rounded(cost.sums)}
    return row | ({"without_a_known_price": cost.unpriced} if cost.unpriced else {})


def _rounded(sums: Mapping[str, float]) -> Content:
    return {currency: round(amount, 2) for currency, amount in sums.items()}


def _dearest(row: Content) -> tuple[float, str]:
    return -float(str(row.get("all_a_month", 0))), str(row["plan"])


def _totals(prices: Sequence[Price]) -> Content:
    return _rounded(sums_of(prices))


def summarize_states(servers: Sequence[Server], lacking: str = "") -> Content:
    """Return how many servers are in each state, and those that are not running."""
    unready = (server for server in servers if not (server.ready or server.power_unknown))
    troubled = sorted(unready, key=lambda server: (not server.failed, server.hostname))
    states: Content = dict(Counter(sanitize(server.state, 40) for server in servers).most_common(MANY))
    return _cleaned(
        {
            "servers": len(servers),
            "by_state": states,
            "not_running": [_brief(server) for server in troubled[:MANY]],
            "not_running_left_out": max(len(troubled) - MANY, 0),
            **({"power_not_known": unknown} if (unknown := sum(server.power_unknown for server in servers)) else {}),
            **({"list_lacks": lacking} if lacking else {}),
        }
    )


def _brief(server: Server) -> JsonValue:
    summary = {
        "id": server.id,
        "hostname": server.hostname,
        "state": server.state,
        "plan": server.plan,
        "region": server.place or None,
    }
    return {key: value for key, value in summary.items() if value is not None}


def summarize_changes(changes: Sequence[Change], now: datetime, hours: float, *, tools: bool) -> Content:
    """Return the changes that are open, and those that moved within the last hours."""
    since = now - timedelta(hours=hours)
    still = [change for change in changes if change.state.open]
    ended = [change for change in changes if not change.state.open and change.updated_at >= since]
    outcomes: Content = dict(Counter(change.state.value for change in ended))
    return _cleaned(
        {
            "hours": hours,
            "open": [_change_summary(change, tools=tools) for change in still[:MANY]],
            "needs_a_person": sum(change.state is State.NEEDS_PERSON for change in still),
            "ended": [_change_summary(change, tools=tools) for change in ended[:MANY]],
            "ended_by_outcome": outcomes,
        }
    )


def _change_summary(change: Change, *, tools: bool) -> JsonValue:
    document = change_result(change, tools=tools).model_dump(mode="json", exclude_none=True, exclude={"result"})
    return {**document, "asked_by": change.actor.claim, "asked_at": change.created_at.isoformat(timespec="minutes")}


def changes_of_server(changes: Sequence[Change], server: Server) -> list[Change]:
    """Return the changes of one server."""
    return [change for change in changes if server.id in {change.target.id, str(change.result.get("id", ""))}]


def _cleaned(content: Mapping[str, JsonValue]) -> Content:
    return cast("Content", sanitize_json(dict(content)))
