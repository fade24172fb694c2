"""The servers' state, for followers in this process: one slow poll serves all.

It polls only while it has followers. A poll for changes, which is faster while a change is under way, counts as a poll.
The differences between two polls are passed on; nothing is stored.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from vpsops.core.common import timings as timing
from vpsops.core.common.clock import Clock
from vpsops.core.common.supervision import Supervisor
from vpsops.core.common.timings import Timing
from vpsops.core.wayscloud.answers.errors import NotAuthenticatedError, NotPermittedError, WayscloudError
from vpsops.core.wayscloud.answers.models import ProviderList, Server
from vpsops.core.wayscloud.client import Wayscloud

logger = structlog.get_logger(__name__)
REFUSED_WAIT: Final = timing.REFUSED_SECONDS
SOONEST: Final = timing.SOONEST_SECONDS
FACTS = attrgetter(*(name for name in Server.model_fields if name != "extra"))


@dataclass(frozen=True, slots=True)
class Difference:
    """A server that came, went or differs from the poll before."""

    server: Server  # as it is now, or was at the end
    listed: bool  # the server came or went
    before: Server | None = None  # as it was, if it has changed


ServerListener = Callable[[Sequence[Difference]], None]


def differences(before: Mapping[str, Server], now: Mapping[str, Server]) -> list[Difference]:
    """Compare two polls."""
    seen = [
        Difference(server, listed=ident not in before, before=before.get(ident))
        for ident, server in now.items()
        if ident not in before or FACTS(before[ident]) != FACTS(server)
    ]
    return seen + [Difference(server, listed=True) for ident, server in before.items() if ident not in now]


def known_after(before: Mapping[str, Server], seen: ProviderList[Server]) -> dict[str, Server]:
    """Return the servers known after a poll: one missing from an incomplete list is not gone."""
    now = {server.id: server for server in seen}
    return now if seen.complete else {**before, **now}


class ServerFeed:
    """The servers as this process last saw them, kept while they are followed and until the next poll is due."""

    def __init__(
        self, api: Wayscloud, clock: Clock, timing: Timing, group: TaskGroup, supervisor: Supervisor | None = None
    ) -> None:
        self._api = api
        self._clock = clock
        self._timing = timing
        self._group = group
        self._supervisor = supervisor or Supervisor(clock)
        self._lock = anyio.Lock()
        self._listeners: dict[object, ServerListener] = {}
        self._polling = False
        self._tried_at = float("-inf")
        self._forget()

    def _forget(self) -> None:
        self._known: dict[str, Server] | None = None
        self._error: WayscloudError | None = None
        self._tried = anyio.Event()
        self._seen_at = float("-inf")

    def follow(self, listener: ServerListener) -> Callable[[], None]:
        """Call `listener` with every difference from now on, until the result is called; it must not raise."""
        token = object()
        self._listeners[token] = listener
        if not self._polling:
            self._polling = True
            self._supervisor.start("fleet", self._poll_on, group=self._group, ends=True)

        def leave() -> None:
            self._listeners.pop(token, None)

        return leave

    async def known(self) -> Mapping[str, Server]:
        """Return the servers by id, for one who follows them; raises `WayscloudError` while none could be read."""
        if self._known is None and self._error is not None:
            await self.refresh()
        while self._known is None:
            if self._error is not None:
                raise self._error
            await self._tried.wait()
        return self._known

    async def refresh(self) -> None:
        """Poll now, unless that was tried a moment ago."""
        async with self._lock:
            if self._clock.monotonic() - self._tried_at >= SOONEST:
                await self._poll()

    def saw(self, seen: ProviderList[Server]) -> None:
        """Take the result of a poll that was made anyway."""
        if not self._polling:
            return
        before, self._known = self._known, known_after(self._known or {}, seen)
        self._seen_at = self._clock.monotonic()
        if self._error is not None:
            logger.info("server_feed_recovered")
        self._error = None
        self._tried.set()
        changed = differences(before, self._known) if before is not None else []
        for listener in list(self._listeners.values()) if changed else ():
            try:
                listener(changed)
            except Exception:  # one listener's bug must not affect the others or the poller
                logger.exception("server_feed_listener_failed")

    async def _poll_on(self) -> None:
        while self._listeners:
            left = self._seen_at + self._timing.poll_old - self._clock.monotonic()
            if left <= 0:
                async with self._lock:
                    left = await self._poll()
            await self._clock.sleep(left)
        self._polling = False
        self._forget()

    async def _poll(self) -> float:
        """Poll once, and return the seconds to the next."""
        self._tried_at = self._clock.monotonic()
        try:
            self.saw(await self._api.list_servers())
        except WayscloudError as error:
            if self._error is None:
                logger.warning("server_feed_unavailable", error=error.message, error_id=error.error_id)
            self._error = error
            self._tried.set()
            return (
                REFUSED_WAIT if isinstance(error, NotAuthenticatedError | NotPermittedError) else self._timing.poll_old
            )
        except Exception:  # a bug must not end the process that others rely on
            logger.exception("server_feed_failed")
        return self._timing.poll_old
