"""What every Web API handler works on: the workspace's state and its time."""

from dataclasses import dataclass
from datetime import datetime

from vpsops.core.common.clock import Clock
from vpsops.playground.slack.protocol.interaction_tokens import Grants
from vpsops.playground.slack.rendering.surfaces import Surfaces
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.protocol import ApiError
from vpsops.playground.slack.workspace.state import WorkspaceState


@dataclass(slots=True)
class Desk:
    """State, views, grants and the clock of one workspace."""

    config: WorkspaceConfig
    clock: Clock
    state: WorkspaceState
    surfaces: Surfaces
    grants: Grants
    scopes: set[str]

    def now(self) -> datetime:
        """Return the time of day."""
        return self.clock.now()

    def need(self, *scopes: str) -> None:
        """Refuse with missing_scope, which lists them, unless one of these scopes was granted."""
        if scopes and not self.scopes.intersection(scopes):
            self._refuse(",".join(scopes))

    def need_all(self, *scopes: str) -> None:
        """Refuse with missing_scope, which lists those that are absent, unless all these scopes were granted."""
        absent = [scope for scope in scopes if scope not in self.scopes]
        if absent:
            self._refuse(",".join(absent))

    def _refuse(self, needed: str) -> None:
        raise ApiError("missing_scope", {"needed": needed, "provided": ",".join(sorted(self.scopes))})


def furnish(config: WorkspaceConfig, clock: Clock) -> Desk:
    """Return a desk with everything in its first state."""
    state = WorkspaceState(config)
    return Desk(config, clock, state, Surfaces(state), Grants(state), set(config.scopes))
