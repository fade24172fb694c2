"""The names of regions, as this process read them last: in time for an answer, or ids stand alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import anyio

from vpsops.core.common.clock import Clock
from vpsops.core.common.timings import (
    REGION_NAMES_KEPT_SECONDS,
    REGION_NAMES_PAUSE_SECONDS,
    REGION_NAMES_SECONDS,
)
from vpsops.core.operations.arguments import ArgumentKind, Arguments, specs_of
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.errors import WayscloudError
from vpsops.core.wayscloud.answers.models import Server
from vpsops.core.wayscloud.answers.region_names import NO_NAMES, RegionNames, region_names
from vpsops.core.wayscloud.client import Wayscloud

A = TypeVar("A", bound=Arguments)


class RegionDirectory:
    """Reads the names when they are needed, at most once an hour, and rests after a read that failed.

    Nothing depends on a name: neither digest nor policy holds one, and what was read is never waited for twice.
    """

    __slots__ = ("_clock", "_due", "_lock", "_names")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._names = NO_NAMES
        self._due: float | None = None
        self._lock = anyio.Lock()

    async def names(self, api: Wayscloud) -> RegionNames:
        """Return the names: those of the last read, or of one within a bounded time."""
        if self._is_due():
            with anyio.move_on_after(REGION_NAMES_SECONDS):
                async with self._lock:  # questions at the same moment are one read
                    if self._is_due():
                        await self._refresh(api)
        return self._names

    def _is_due(self) -> bool:
        return self._due is None or self._clock.monotonic() >= self._due

    async def _refresh(self, api: Wayscloud) -> None:
        self._due = self._clock.monotonic() + REGION_NAMES_PAUSE_SECONDS
        try:
            listed = await api.list_named_regions()
        except WayscloudError:
            return
        self._names = region_names(listed)
        self._due = self._clock.monotonic() + REGION_NAMES_KEPT_SECONDS

    async def named_servers(self, api: Wayscloud, servers: Sequence[Server]) -> list[Server]:
        """Return servers with the names of their regions, as far as they are known."""
        if not any(server.region for server in servers):
            return list(servers)
        names = await self.names(api)
        return [names.applied_to(server) for server in servers]

    async def named_target(self, api: Wayscloud, target: Target) -> Target:
        """Return what a change acts on with the name of its region, if it is known."""
        if not target.region:
            return target
        return replace(target, region_name=(await self.names(api)).name_of(target.region))

    async def with_ids(self, api: Wayscloud, arguments: A) -> A:
        """Return arguments with the id of each region that was named; raises `InvalidInputError` for a shared name."""
        specs = specs_of(type(arguments))
        typed = {
            name: value
            for name, value in arguments.model_dump(include=set(specs)).items()
            if specs[name].kind is ArgumentKind.REGION and isinstance(value, str) and value
        }
        if not typed:
            return arguments
        names = await self.names(api)
        return arguments.model_copy(update={name: names.id_of(value) for name, value in typed.items()})
