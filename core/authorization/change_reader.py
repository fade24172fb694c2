"""The changes of one scope within a transaction: others do not exist."""

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import Scope
from vpsops.core.common.errors import StaleChangeError
from vpsops.core.workspaces.model import Workspaces


@dataclass(frozen=True, slots=True)
class ChangeReader:
    """Loads the changes that a scope shows."""

    scope: Scope
    workspaces: Workspaces

    def shows(self, change: Change) -> bool:
        """Return whether the scope shows a change."""
        return self.scope.servers.shows(change.target) and self.workspaces.shows(change, self.scope.team)

    def load(self, connection: Connection, change_id: str, *, lock: bool = False) -> Change:
        """Return a change; raises `UnknownChangeError`. With `lock`, no other transaction moves it until the commit."""
        return self.visible(repository.load(connection, change_id, lock=lock))

    def visible(self, change: Change) -> Change:
        """Return a change, or raise `UnknownChangeError` where the scope does not show it."""
        if not self.shows(change):
            raise repository.unknown(change.id)
        return change


def at_rest(change: Change) -> bool:
    """Return whether a change stays as it is for some time without a person."""
    return change.state.final or change.overdue or change.state in {State.SCHEDULED, State.NEEDS_PERSON}


def stale(change: Change) -> StaleChangeError:
    """The error for a click on a change that has moved on."""
    return StaleChangeError(
        f"{change.id} is {change.state.value.replace('_', ' ')} already.", hint="Nothing was done now."
    )
