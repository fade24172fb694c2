"""The policy and the limits in force, as every decision reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from vpsops.core.common.errors import NotAllowedError
from vpsops.core.common.timings import Timing
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Approvers
from vpsops.core.limits.model import UNLIMITED, Limits
from vpsops.core.policy.model import Policy
from vpsops.core.policy_register.declaration import Declaration
from vpsops.core.workspaces.model import Workspaces

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


@dataclass(eq=False, repr=False)
class PolicyInForce:
    """The policy in force, read in the transaction that decides; this class holds one that never changes.

    `latest` and its kin need no database: they are for reads, for help, and for what is decided again in a
    transaction before it counts.
    """

    loaded: Policy
    loaded_limits: Limits = UNLIMITED
    loaded_workspaces: Workspaces = field(default_factory=Workspaces)
    loaded_stewards: Approvers = field(default_factory=Approvers)

    def read(self, connection: Connection) -> Policy:  # noqa: ARG002 - one policy for the life of a process
        """Return the policy in force in a transaction."""
        return self.loaded

    def read_limits(self, connection: Connection) -> Limits:  # noqa: ARG002 - as above
        """Return the limits in force in a transaction."""
        return self.loaded_limits

    def read_workspaces(self, connection: Connection) -> Workspaces:  # noqa: ARG002 - as above
        """Return the workspaces in force in a transaction."""
        return self.loaded_workspaces

    def read_stewards(self, connection: Connection, team: str) -> Approvers:
        """Return who may resume agents and settle unclear changes, for one workspace."""
        return _stewards(self.read_workspaces(connection), self.loaded_stewards, team)

    def latest(self) -> Policy:
        """Return the policy in force when this process read it last."""
        return self.loaded

    def latest_limits(self) -> Limits:
        """Return the limits in force when this process read them last."""
        return self.loaded_limits

    def latest_workspaces(self) -> Workspaces:
        """Return the workspaces in force when this process read them last."""
        return self.loaded_workspaces

    def latest_stewards(self, team: str) -> Approvers:
        """Return who may resume agents and settle unclear changes, as this process read it last."""
        return _stewards(self.latest_workspaces(), self.loaded_stewards, team)

    @property
    def difference(self) -> NotAllowedError | None:
        """How this process's own policy differs from the one in force, as it was read last; None where it does not."""
        return None

    def check(self, connection: Connection) -> None:
        """Raise `NotAllowedError` if this process was started with another policy than the one in force."""

    def agrees(self, connection: Connection) -> bool:  # noqa: ARG002 - nothing to compare with
        """Return whether this process may run changes."""
        return True

    def declare(self, declared: Declaration) -> None:
        """Replace what this process declares."""

    async def follow(self, differs: Callable[[], None]) -> None:  # noqa: ARG002 - it never does
        """Call `differs` for each policy in force that is another than this process's own."""
        await anyio.sleep_forever()

    async def refresh(self) -> None:
        """Read the policy in force, unless it was read a moment ago."""

    def settings_from(self, own: Settings) -> Settings:
        """Return a process's settings with those that decide as they are in force."""
        return own

    def timing_from(self, own: Timing) -> Timing:
        """Return a process's timing with the holds that are in force."""
        return own


def _stewards(workspaces: Workspaces, single: Approvers, team: str) -> Approvers:
    return workspaces.stewards_of(team) if workspaces.several and team else single
