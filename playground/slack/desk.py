"""What every Web API handler works on: the workspace's state and its time."""

from dataclasses import dataclass
from datetime import datetime

from vpsops.core.clock import Clock
from vpsops.playground.slack.config import WorkspaceConfig
from vpsops.playground.slack.grants import Grants
from vpsops.playground.slack.state import State
from vpsops.playground.slack.surfaces import Surfaces
from vpsops.playground.slack.wire import ApiError


@dataclass(slots=True)
class Desk:
    """State, views, grants and the clock of one workspace."""

    config: WorkspaceConfig
    clock: Clock
    state: State
    surfaces: Surfaces
    grants: Grants
    scopes: set[str]

    def now(self) -> datetime:
        """Return the time of day."""
        return self.clock.now()

    def need(self, *scopes: str) -> None:
        """Refuse with missing_scope unless one of these scopes was granted."""
        if scopes and not self.scopes.intersection(scopes):
            provided = ",".join(sorted(self.scopes))
            raise ApiError("missing_scope", {"needed": scopes[0], "provided": provided})


def furnish(config: WorkspaceConfig, clock: Clock) -> Desk:
    """Return a desk with everything in its first state."""
    state = State(config)
    return Desk(config, clock, state, Surfaces(state), Grants(state), set(config.scopes))
