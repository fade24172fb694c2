"""Reads by which operations find out what became of their changes, each apart from the others and in a time limit."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from vpsops.core.changes.model import Change
from vpsops.core.common.timings import Timing
from vpsops.core.operations.strategies import Inspection
from vpsops.core.operations.traits import entry_of
from vpsops.core.outcomes.inspection import outcome_of_inspection, sent_of
from vpsops.core.outcomes.outcome import FleetSnapshot, OutcomeFinding
from vpsops.core.wayscloud.answers import errors as provider_errors
from vpsops.core.wayscloud.client import Wayscloud

logger = structlog.get_logger(__name__)
AT_ONCE: Final = 32


@dataclass(slots=True)
class Inspector:
    """Inspects changes; a read that was slow before runs while polls go on, with a longer limit each time."""

    api: Wayscloud
    timing: Timing
    conclude: Callable[[Change, Awaitable[OutcomeFinding]], Awaitable[None]]
    _misses: dict[str, int] = field(default_factory=dict)
    _apart: set[str] = field(default_factory=set)

    async def settle(self, changes: Sequence[Change], snapshot: FleetSnapshot, group: TaskGroup) -> None:
        """Inspect changes, the quick ones within the poll's budget and the others in `group`."""
        kept = {change.id for change in changes}
        self._misses = {change_id: count for change_id, count in self._misses.items() if change_id in kept}
        limiter = anyio.CapacityLimiter(AT_ONCE)

        async def quick(change: Change) -> None:
            async with limiter:
                await self.conclude(change, self._finding(change, snapshot))

        async with anyio.create_task_group() as reads:
            for change in changes:
                if not self._misses.get(change.id):
                    reads.start_soon(quick, change)
                elif change.id not in self._apart and len(self._apart) < AT_ONCE:
                    self._apart.add(change.id)
                    group.start_soon(self._slow, change, snapshot)

    async def _slow(self, change: Change, snapshot: FleetSnapshot) -> None:
        try:
            await self.conclude(change, self._finding(change, snapshot))
        finally:
            self._apart.discard(change.id)

    async def _finding(self, change: Change, snapshot: FleetSnapshot) -> OutcomeFinding:
        return outcome_of_inspection(change, await self._read(change, snapshot), snapshot, self.timing)

    async def _read(self, change: Change, snapshot: FleetSnapshot) -> Inspection | None:
        """Return what is read within the time limit; None where nothing is."""
        operation = entry_of(change.operation)
        if operation is None or operation.inspect is None:
            return None
        misses = self._misses.get(change.id, 0)
        with anyio.move_on_after(min(self.timing.read_budget * 2**misses, self.timing.read_patience)):
            try:
                inspection = await operation.inspect(self.api, sent_of(change, snapshot))
            except provider_errors.WayscloudError as error:
                logger.info("inspection_unreadable", change=change.id, error=error.message)
                return None
            self._misses.pop(change.id, None)
            return inspection
        self._misses[change.id] = misses + 1
        logger.info("inspection_timeout", change=change.id, attempt=misses + 1)
        return None
