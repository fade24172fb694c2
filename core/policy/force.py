"""The policy and the limits in force, as every decision reads them."""

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from core.limits.model import UNLIMITED, Limits
from core.policy.model import Policy


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """The policy and limits that decide about changes, read in the transaction that decides.

    `latest` and `latest_limits` need no database: they are for reads, for help, and for what is decided again in a
    transaction before it counts.
    """

    loaded: Policy
    loaded_limits: Limits = UNLIMITED

    def read(self, connection: Connection) -> Policy:  # noqa: ARG002 - one policy for the life of a process
        """Return the policy in force in a transaction."""
        return self.loaded

    def read_limits(self, connection: Connection) -> Limits:  # noqa: ARG002 - as above
        """Return the limits in force in a transaction."""
        return self.loaded_limits

    def latest(self) -> Policy:
        """Return the policy in force when this process read it last."""
        return self.loaded

    def latest_limits(self) -> Limits:
        """Return the limits in force when this process read them last."""
        return self.loaded_limits
