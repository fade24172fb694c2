"""A policy's decision about a request."""

from dataclasses import dataclass, field
from enum import StrEnum

from vpsops.core.identity.actors import Approvers


class Decision(StrEnum):
    """A policy's decision about a request, mildest first; the strictest rule that matches wins."""

    ALLOW = "allow"
    CONFIRM = "confirm"
    APPROVE = "approve"
    DENY = "deny"

    @property
    def rank(self) -> int:
        """Order decisions by strictness."""
        return list(Decision).index(self)


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision, the rules behind it, and its requirements on people."""

    decision: Decision
    rules: tuple[str, ...] = ()
    votes: int = 0
    approvers: Approvers = field(default_factory=Approvers)
    reason: str = ""
    policy: str = ""  # the policy's version
    requirements: tuple[Approvers, ...] = ()  # a voter is among the approvers of each
    expires: float = 0.0  # seconds a hold waits for votes; 0 for the default
    confirm_in: tuple[str, ...] = ()  # where the human of an agent may confirm; empty for the client's dialog
    monthly: float | None = None  # the month's price that it was decided on; None without one, or without a known one

    @property
    def approver_names(self) -> list[list[str]]:
        """The people, groups and channels that may approve, one list for each requirement."""
        every = self.requirements or (self.approvers,)
        return [[*approvers.people, *approvers.groups, *approvers.channels] for approvers in every]
