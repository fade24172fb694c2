"""What commands and queries run on. Front ends are given the services, never this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vpsops.core.changes.scope import Scope, Visibility
from vpsops.core.common.clock import Clock
from vpsops.core.common.redaction import Redactor
from vpsops.core.common.timings import Timing
from vpsops.core.identity.accounts import AccountDirectory
from vpsops.core.limits.guard import CallLimiter
from vpsops.core.offers.memory import OfferMemory
from vpsops.core.policy_register.force import PolicyInForce
from vpsops.core.service.region_directory import RegionDirectory
from vpsops.core.storage.database import Database
from vpsops.core.telemetry.telemetry import NO_TELEMETRY, Telemetry
from vpsops.core.wayscloud.answers.models import HeldList
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection, ReadContext
from vpsops.core.wayscloud.requests.transport import RequestLane
from vpsops.core.workspaces.model import Workspaces

if TYPE_CHECKING:
    from vpsops.core.execution.engine import Engine


@dataclass(frozen=True, slots=True)
class Backend:
    """The database, the provider, the policy in force and the engine of one process."""

    database: Database
    connection: ProviderConnection
    clock: Clock
    timing: Timing
    policy: PolicyInForce
    late_engine: Callable[[], Engine]
    offers: OfferMemory
    regions: RegionDirectory
    guard: CallLimiter = field(default_factory=CallLimiter)
    accounts: AccountDirectory | None = None  # finds the humans behind agents
    slack: Callable[[], bool] = lambda: False  # whether this set-up has a Slack workspace, by its settings in force
    redactor: Redactor = field(default_factory=Redactor)  # prepares every word that comes in
    telemetry: Telemetry = NO_TELEMETRY

    @property
    def engine(self) -> Engine:
        """The engine of this process, which is made when it is needed first."""
        return self.late_engine()

    @property
    def workspaces(self) -> Workspaces:
        """The workspaces in force, as they were read last."""
        return self.policy.latest_workspaces()

    def visibility(self, scope: Scope) -> Visibility:
        """Return the owners and servers of the changes that a scope shows now."""
        return Visibility(self.workspaces.seen_from(scope.team), scope.servers)

    def api_for(
        self, scope: Scope, *, lane: RequestLane, held: HeldList | None = None, coalesced: bool = False
    ) -> Wayscloud:
        """Return the provider's API, on which only the servers of a scope exist."""
        servers = scope.servers
        visible = (lambda server: servers.sees(server.id, server.hostname)) if servers else None
        return Wayscloud(self.connection, ReadContext(lane=lane, visible=visible, held=held, coalesced=coalesced))
