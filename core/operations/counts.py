"""Counts of servers by their distinguishing facts, so that a number needs no walk through a long list."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from vpsops.core.wayscloud.answers.labels import label_words
from vpsops.core.wayscloud.answers.models import Server

STEM: Final = re.compile(r"[a-z](?:[a-z-]*[a-z])?")
OTHERS: Final = "others"
UNKNOWN: Final = "unknown"
NONE: Final = "none"
MOST: Final = 8
"""Values of each fact; the rarest stand together."""


@dataclass(frozen=True, slots=True)
class ServerCount:
    """How many servers have one value of a fact."""

    by: str
    value: str
    servers: int


def counts_of(servers: Iterable[Server]) -> tuple[ServerCount, ...]:
    """Count servers by state, by region, by each label and by the letters that their names begin with."""
    facts: dict[str, Counter[str]] = {"state": Counter(), "region": Counter(), "label": Counter(), "name": Counter()}
    for server in servers:
        stem = STEM.match(server.hostname.lower())
        facts["state"][server.state] += 1
        facts["region"][server.place or UNKNOWN] += 1
        facts["label"].update(label_words(server.labels) or (UNKNOWN if server.labels is None else NONE,))
        facts["name"][f"{stem[0]}*" if stem else OTHERS] += 1
    return tuple(count for by, counter in facts.items() for count in _common(by, counter))


LESS: Final = frozenset({"label"})
"""Facts of which a server may have several values, so that the rarest are not added up."""


def _common(by: str, counter: Counter[str]) -> Iterator[ServerCount]:
    common = counter.most_common(MOST)
    rest = counter.total() - sum(number for _, number in common)
    yield from (ServerCount(by, value, number) for value, number in common)
    if rest and by not in LESS:
        yield ServerCount(by, OTHERS, rest)
