"""The limits in force in this process, for the gate."""

import secrets
from dataclasses import dataclass, field

from vpsops.core.changes.requests import Refused
from vpsops.core.changes.scope import ServerFilter
from vpsops.core.identity.actors import Actor
from vpsops.core.limits.access import DeniedTool
from vpsops.core.limits.model import Exceeded, Limits
from vpsops.core.limits.rate_limiter import CallBuckets


@dataclass(frozen=True, slots=True)
class CallLimiter:
    """The limits, and the recent call counts."""

    buckets: CallBuckets = field(default_factory=CallBuckets)

    def admit(self, limits: Limits, actor: Actor, now: float) -> tuple[Exceeded | None, bool]:
        """Count one call of an actor at a time of the steady clock; returns any refusal, and whether to record that."""
        return self.buckets.take(limits, actor, now)


def refusal_for(exceeded: Exceeded) -> Refused:
    """Return the refusal for a limit: its name and value, what to do next, and an id for the log."""
    return Refused(f"{exceeded.text} Nothing was done.", hint=exceeded.hint, error_id=f"err_{secrets.token_hex(4)}")


def out_of_sight(sight: ServerFilter, hostname: str) -> Exceeded | None:
    """Return why a server of this name cannot be made here, where only some can be seen."""
    if sight.sees("", hostname):
        return None
    words = ", ".join(
        sorted({word for restriction in sight.restrictions for word in (*restriction.exact, *restriction.globs)})
    )
    why = f"a server called {hostname} could not be seen here."
    return Exceeded("servers", words, why, "Choose a hostname that fits.")


def barred(of: DeniedTool, tool: str) -> Exceeded:
    """Return why a tool cannot be used here."""
    return Exceeded(
        f"{of.where} {of.limit}",
        of.value,
        f"{tool} is switched off here.",
        "Do not call it again. Tell your human to ask the operator of this server.",
    )
