"""What servers cost a month, as far as the API has prices: amounts are added up within one named currency only."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vpsops.core.wayscloud.answers.labels import label_term, label_words, value_in
from vpsops.core.wayscloud.answers.models import Plan, Server

WITHOUT: Final = "none"
NOT_KNOWN: Final = "not known"
LAST: Final = {WITHOUT: 1, NOT_KNOWN: 2}


@dataclass(frozen=True, slots=True)
class Price:
    """A month's price; without a currency it adds up with nothing."""

    amount: float
    currency: str = ""


def monthly(server: Server, plan: Plan | None) -> Price | None:
    """Return a server's own price, or its plan's; None where both are missing or negative."""
    for source in (server, plan):
        if source is not None and source.monthly_price is not None:
            amount, currency = source.monthly_price, (source.currency or "").strip().upper()
            return Price(amount, currency) if math.isfinite(amount) and amount >= 0 else None
    return None


def sums_of(prices: Sequence[Price]) -> dict[str, float]:
    """Return the sum in each currency."""
    named = sorted({price.currency for price in prices if price.currency})
    return {currency: math.fsum(price.amount for price in prices if price.currency == currency) for currency in named}


@dataclass(frozen=True, slots=True)
class LabelCost:
    """What the servers with one label cost a month, by currency; `unpriced` adds up with nothing."""

    label: str
    servers: int
    sums: Mapping[str, float]
    unpriced: int


def costs_by_label(servers: Sequence[Server], plans: Sequence[Plan], key: str = "") -> tuple[LabelCost, ...]:
    """Return the cost by each label, or by each value of one key, the dearest first; none and not known come last.

    A label has an equals sign, which the other two have not. A server counts under each of its labels.
    """
    codes = {plan.code.lower(): plan for plan in plans}
    groups: dict[str, list[Price | None]] = {}
    names: dict[str, str] = {}
    for server in servers:
        for word in _cost_words(server, key):
            names.setdefault(label_term(word), word)
            groups.setdefault(label_term(word), []).append(monthly(server, codes.get((server.plan or "").lower())))
    costs = [_label_cost(names[term], prices) for term, prices in groups.items()]
    return tuple(
        sorted(costs, key=lambda cost: (LAST.get(cost.label, 0), -max(cost.sums.values(), default=0), cost.label))
    )


def _cost_order(cost: LabelCost) -> tuple[int, float, str]:
    return LAST.get(cost.label, 0), -max(cost.sums.values(), default=0.0), cost.label


def _cost_words(server: Server, key: str) -> Sequence[str]:
    words = label_words(server.labels)
    if words is None:
        return (NOT_KNOWN,)
    if not key:
        return words or (WITHOUT,)
    value = value_in(words, key)
    return (f"{key}={value}",) if value else (WITHOUT,)


def _label_cost(label: str, prices: Sequence[Price | None]) -> LabelCost:
    known = [price for price in prices if price is not None and price.currency]
    return LabelCost(label, len(prices), sums_of(known), len(prices) - len(known))


def price(plan: Plan | None) -> str:
    """Say a plan's monthly price in words."""
    if plan is None or plan.monthly_price is None:
        return "price unknown"
    return f"{plan.monthly_price:g} {plan.currency or ''}".strip() + " a month"
