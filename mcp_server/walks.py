"""Lists of servers that are kept for the pages of a walk: none shifts, and the fleet is read once for all of them."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from core.timing import WALK_SECONDS
from core.wayscloud.models import HeldList

MOST: Final = 4
"""Ten thousand servers take some 20 MB."""


@dataclass(frozen=True, slots=True)
class KeptList:
    """A list, and when it was read on the steady clock."""

    held: HeldList
    read_at: float


class Walks:
    """The lists of this process, oldest first; one that is gone costs its walk nothing but another reading.

    They hold the whole account: what a caller sees of it is cut out for each page anew.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, KeptList] = OrderedDict()

    def find(self, walk: str, now: float) -> HeldList | None:
        """Return the list of a walk, while it is kept."""
        for name, kept in tuple(self._kept.items()):
            if now - kept.read_at > WALK_SECONDS:
                del self._kept[name]
        found = self._kept.get(walk)
        return found.held if found is not None else None

    def keep(self, held: HeldList, now: float) -> str:
        """Keep a list and return the name of its walk; the oldest goes where there are too many."""
        walk = secrets.token_hex(4)
        self._kept[walk] = KeptList(held, now)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return walk
