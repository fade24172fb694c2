"""Who has App Home open, and what stands there; kept in memory, for the next click checks everything anyway."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio
from cachetools import FIFOCache

from vpsops.bot.blocks.elements import Block
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import VpsopsError
from vpsops.core.monitoring.change_feed import ChangeEvent
from vpsops.core.wayscloud.answers.errors import WayscloudError
from vpsops.core.wayscloud.answers.models import ProviderList, Server

OPEN_SECONDS: Final = 3600.0
"""A Home that was opened longer ago is not kept current any more."""
MOST: Final = 20
"""Homes kept current; `views.publish` takes about a hundred a minute for the whole workspace."""
LIST_SECONDS: Final = 15.0
TROUBLE_SECONDS: Final = 10.0
"""How long after a failed read the provider is not asked again for a Home."""
WAIT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person with an open Home."""

    user: str
    team: str
    name: str = ""


@dataclass(slots=True)
class Home:
    """One Home on a screen: since when, by which hash Slack knows it, and what was drawn last."""

    viewer: Viewer
    opened_at: float = 0.0
    hash: str = ""
    drawn: list[Block] = field(default_factory=list)
    lock: anyio.Lock = field(default_factory=anyio.Lock)


class Homes:
    """The Homes opened in the last hour, the newest at the end; at most `MOST`."""

    def __init__(self) -> None:
        self._open: FIFOCache[tuple[str, str], Home] = FIFOCache(MOST)
        self._any_opened = anyio.Event()
        self._news = anyio.Event()
        self.shelf = Shelf()

    def opened(self, viewer: Viewer, now: float) -> Home:
        """Note that a user opened their Home, and return it."""
        key = (viewer.team, viewer.user)
        home = self._open.pop(key, None) or Home(viewer)
        home.opened_at = now
        self._open[key] = home
        self._any_opened.set()
        return home

    def opened_by(self, viewer: Viewer) -> Home:
        """Return a user's Home; an empty one where it is no longer kept current."""
        return self._open.get((viewer.team, viewer.user)) or Home(viewer)

    def current(self, now: float) -> list[Home]:
        """Return the Homes to keep current; those of long ago are forgotten."""
        for key in [key for key, home in self._open.items() if now - home.opened_at > OPEN_SECONDS]:
            del self._open[key]
        if not self._open:
            self._any_opened = anyio.Event()
        return sorted(self._open.values(), key=lambda home: home.opened_at, reverse=True)

    async def any_opened(self) -> None:
        """Wait until at least one Home is open."""
        await self._any_opened.wait()

    def record(self, news: Sequence[ChangeEvent]) -> None:
        """Take in that something happened; many things at once are one reason to read."""
        if any(new.touched for new in news):
            self.shelf.old()
        self._news.set()

    async def news(self, seconds: float) -> bool:
        """Wait until something happened, at most some seconds; say whether it did."""
        with anyio.move_on_after(seconds):
            await self._news.wait()
        happened, self._news = self._news.is_set(), anyio.Event()
        return happened


class ProviderSlowError(VpsopsError):
    """The provider did not answer in the time that a page of ours waits."""


class Shelf:
    """The servers as last listed, or why they could not be: one call serves all who ask within some seconds."""

    def __init__(self) -> None:
        self._servers: ProviderList[Server] | None = None
        self._trouble: VpsopsError | None = None
        self._until = 0.0
        self._lock = anyio.Lock()

    def old(self) -> None:
        """Have the next who asks read again."""
        self._servers = self._trouble = None

    async def servers(self, clock: Clock, read: Callable[[], Awaitable[ProviderList[Server]]]) -> ProviderList[Server]:
        """Return the servers, by a read of one's own if the last one is old; raises what that raised."""
        async with self._lock:
            if clock.monotonic() >= self._until:
                self.old()
            if self._trouble is not None:
                raise self._trouble
            if self._servers is None:
                self._servers = await self._read(clock, read)
                self._until = clock.monotonic() + LIST_SECONDS
            return self._servers

    async def _read(self, clock: Clock, read: Callable[[], Awaitable[ProviderList[Server]]]) -> ProviderList[Server]:
        try:
            with anyio.fail_after(WAIT_SECONDS):
                return await read()
        except TimeoutError:
            self._trouble = ProviderSlowError("The provider is slow to answer just now.", hint="Try again in a moment.")
        except WayscloudError as error:
            self._trouble = error
        self._until = clock.monotonic() + TROUBLE_SECONDS
        raise self._trouble
