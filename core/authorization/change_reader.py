"""Changes as one reader sees them: those of other workspaces, and of servers out of sight, are not there."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.queries import ChangePage, ChangeQuery, select_page
from vpsops.core.changes.scope import ServerFilter, Visibility
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StaleChangeError
from vpsops.core.messaging import outbox
from vpsops.core.storage.database import Database
from vpsops.core.workspaces.model import Workspaces


@dataclass(frozen=True, slots=True)
class ChangeReader:
    """Finds, lists and follows the changes that its reader may see."""

    database: Database
    clock: Clock
    sight: ServerFilter = field(default_factory=ServerFilter)
    workspaces: Workspaces = field(default_factory=Workspaces)
    team: str = ""

    async def get(self, change_id: str) -> Change:
        """Return a change; raises `UnknownChangeError`."""
        return await self.database.read(lambda connection: self.load(connection, change_id))

    async def page(self, query: ChangeQuery) -> ChangePage:
        """Return a page of changes, newest first; it may be short although more pages follow."""
        return await self.database.read(lambda connection: select_page(connection, query, self.visibility))

    @property
    def visibility(self) -> Visibility:
        """Whose changes, about which servers, this reader sees."""
        return Visibility(self.workspaces.seen_from(self.team), self.sight)

    async def wait(self, change_id: str, *, seconds: float, until: Callable[[Change], bool] | None = None) -> Change:
        """Return the change once `until` holds (by default: nothing more happens soon), or after `seconds`."""
        reached = until or at_rest
        give_up = self.clock.monotonic() + seconds
        while True:
            mark = self.database.signals.mark(outbox.topic_of(change_id))
            change = await self.get(change_id)
            left = give_up - self.clock.monotonic()
            if reached(change) or left <= 0:
                return change
            await self.database.signals.wait(min(left, 5.0), since=mark)

    def shows(self, change: Change) -> bool:
        """Say whether its reader may see a change."""
        seen = self.sight.sees(change.target.id, change.target.hostname)
        return seen and self.workspaces.shows(change, self.team)

    def load(self, connection: Connection, change_id: str, *, lock: bool = False) -> Change:
        """Return a change; raises `UnknownChangeError`. With `lock`, no other transaction moves it until the commit."""
        return self.visible(repository.load(connection, change_id, lock=lock))

    def visible(self, change: Change) -> Change:
        """Return a change, or raise `UnknownChangeError` where it is not to be seen."""
        if not self.shows(change):
            raise repository.unknown(change.id)
        return change


def at_rest(change: Change) -> bool:
    """Say whether nothing more happens to a change soon without a person."""
    return change.state.final or change.overdue or change.state is State.NEEDS_PERSON


def stale(change: Change) -> StaleChangeError:
    """The error for a click on what has moved on."""
    return StaleChangeError(
        f"{change.id} is {change.state.value.replace('_', ' ')} already.", hint="Nothing was done now."
    )
