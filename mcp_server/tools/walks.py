"""Lists of servers that are kept for the pages of a walk: none shifts, and the fleet is read once for all of them."""

import secrets
from typing import Final

from cachetools import TTLCache

from vpsops.core.common.clock import Clock
from vpsops.core.common.timings import WALK_SECONDS
from vpsops.core.wayscloud.answers.models import HeldList

MOST: Final = 4
"""Ten thousand servers take some 20 MB."""


class ServerListCache:
    """The lists of this process; one that is gone costs its walk nothing but another reading.

    They hold the whole account; each page is filtered for its caller.
    """

    def __init__(self, clock: Clock) -> None:
        self._kept: TTLCache[str, HeldList] = TTLCache(MOST, WALK_SECONDS, timer=clock.monotonic)

    def find(self, walk: str) -> HeldList | None:
        """Return the list of a walk, while it is kept."""
        return self._kept.get(walk)

    def keep(self, held: HeldList) -> str:
        """Keep a list and return the name of its walk; the least recently used one is dropped beyond the limit."""
        walk = secrets.token_hex(4)
        self._kept[walk] = held
        return walk
