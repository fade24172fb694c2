"""What commands and queries run on. Front ends are given the services, never this."""

from dataclasses import dataclass, field

from vpsops.core.changes.scope import Scope, Visibility
from vpsops.core.common.clock import Clock
from vpsops.core.common.redaction import Redactor
from vpsops.core.common.timings import Timing
from vpsops.core.execution.engine import Engine
from vpsops.core.identity.accounts import AccountDirectory
from vpsops.core.limits.guard import CallLimiter
from vpsops.core.policy_register.force import PolicyInForce
from vpsops.core.storage.database import Database
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.workspaces.model import Workspaces


@dataclass(frozen=True, slots=True)
class Backend:
    """The database, the provider, the policy in force and the engine of one process."""

    database: Database
    api: Wayscloud
    clock: Clock
    timing: Timing
    policy: PolicyInForce
    engine: Engine
    guard: CallLimiter = field(default_factory=CallLimiter)
    accounts: AccountDirectory | None = None  # finds the humans behind agents
    redactor: Redactor = field(default_factory=Redactor)  # prepares every word that comes in

    @property
    def workspaces(self) -> Workspaces:
        """The workspaces in force, as they were read last."""
        return self.policy.latest_workspaces()

    def visibility(self, scope: Scope) -> Visibility:
        """Return the owners and servers of the changes that a scope shows now."""
        return Visibility(self.workspaces.seen_from(scope.team), scope.servers)

    def api_for(self, scope: Scope) -> Wayscloud:
        """Return the provider's API, on which only the servers of a scope exist."""
        servers = scope.servers
        return self.api.only((lambda server: servers.sees(server.id, server.hostname)) if servers else None)
