"""How many calls a principal may make in a minute, in this process."""

from dataclasses import dataclass, field

from vpsops.core.common.rate_limiter import MANY, Rate, RateLimiter
from vpsops.core.identity.actors import Actor
from vpsops.core.limits.model import Exceeded, Limits, principal, worded_wait

MINUTE = 60.0


@dataclass(slots=True)
class CallBuckets:
    """The recent calls of each principal, and who was refused since a call passed."""

    limiter: RateLimiter[str] = field(default_factory=RateLimiter)
    refused: set[str] = field(default_factory=set)

    def take(self, limits: Limits, actor: Actor, now: float) -> tuple[Exceeded | None, bool]:
        """Count a call; returns any refusal, and whether that is the first in a row, which is worth a record."""
        per_minute = limits.calls_per_minute
        if per_minute is None:
            return None, False
        kind, ids = principal(actor)
        key = f"{kind}:{min(ids)}"
        wait = self.limiter.take(key, Rate(MINUTE / per_minute, per_minute), now)
        if wait == 0:
            self.refused.discard(key)
            return None, False
        first = key not in self.refused
        self._note_refused(key)
        hint = f"Call again in {worded_wait(wait)}."
        return Exceeded("calls_per_minute", str(per_minute), "calls come too fast.", hint), first

    def _note_refused(self, key: str) -> None:
        if len(self.refused) >= MANY:
            self.refused = {name for name in self.refused if name in self.limiter}
        self.refused.add(key)
