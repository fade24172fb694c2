"""What servers cost a month, as far as the API has prices: amounts are added up within one named currency only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vpsops.core.wayscloud.answers.models import Plan, Server


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
    return {item: math.fsum(price.amount for price in prices if price.currency == item) for item in named}


def price(plan: Plan | None) -> str:
    """Say a plan's monthly price in words."""
    if plan is None or plan.monthly_price is None:
        return "price unknown"
    return f"{plan.monthly_price:g} {plan.currency or ''}".strip() + " a month"
