"""What may run, and who must agree first; pure."""

from dataclasses import dataclass
from datetime import datetime

from core.changes.model import Actor, Decision, Ruling, Target
from core.operations.registry import Risk
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a rule may look at."""

    operation: str
    risk: Risk
    actor: Actor
    origin: str
    now: datetime
    target: Target | None = None
    region: str = ""
    cost: float | None = None  # a month's price


@dataclass(frozen=True, slots=True)
class Policy:
    """Reads for everyone; changes are confirmed by whoever asks."""

    version: str = "pol_first"

    def decide(self, facts: Facts) -> Ruling:
        """Return the decision on a request."""
        if facts.risk is Risk.READ:
            return Ruling(Decision.ALLOW, ("reads",), policy=self.version)
        return Ruling(Decision.CONFIRM, ("changes",), policy=self.version)


def load_policy(_settings: Settings) -> Policy:
    """Return the policy in force."""
    return Policy()
