"""Habits of providers, for `tests/fakes/odd_provider/front.py`: what their answers leave out."""

from dataclasses import dataclass
from typing import Final

from tests.fakes.odd_provider.front import OddAnswer

FIVE: Final = ("id", "hostname", "display_name", "status", "ipv4_address")


def five_fields(answer: OddAnswer) -> None:
    """List the five documented fields and no more."""
    if answer.lists_servers:
        answer.put_entries([{name: entry.get(name) for name in FIVE} for entry in answer.entries])


def no_power(answer: OddAnswer) -> None:
    """Report no power anywhere."""
    if isinstance(answer.body, dict):
        answer.body.pop("power_state", None)
        if answer.lists_servers:
            answer.put_entries([{**entry, "power_state": None} for entry in answer.entries])
        if answer.shows_usage:
            answer.body.pop("status", None)


def power_in_figures(answer: OddAnswer) -> None:
    """Report a server's power with its figures alone."""
    if isinstance(answer.body, dict) and not answer.shows_usage:
        no_power(answer)


def no_uptime(answer: OddAnswer) -> None:
    """Report figures without an uptime, as the official command line reads them."""
    if answer.shows_usage:
        answer.body.pop("uptime_seconds", None)


def no_metrics(answer: OddAnswer) -> None:
    """Report figures without processor and memory."""
    if answer.shows_usage:
        for name in ("cpu_usage_percent", "memory_usage_percent"):
            answer.body.pop(name, None)


def no_region(answer: OddAnswer) -> None:
    """Report no region, in no answer about servers."""
    if answer.lists_servers:
        answer.put_entries([{**entry, "region": None} for entry in answer.entries])
    elif answer.shows_server:
        answer.body.pop("region", None)


@dataclass(frozen=True, slots=True)
class Capped:
    """A list that ends after some entries, and states how many there are, or that there are more."""

    most: int
    total: bool = True

    def __call__(self, answer: OddAnswer) -> None:
        if answer.lists_servers:
            entries = answer.entries
            answer.put_entries(entries[: self.most])
            answer.body["total"] = len(entries) if self.total else None
            answer.body["has_more"] = len(entries) > self.most
