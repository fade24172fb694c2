"""How many calls a principal may make in a minute, in this process: a bucket that fills as time goes by."""

from dataclasses import dataclass, field

from vpsops.core.identity.actors import Actor
from vpsops.core.limits.model import Exceeded, Limits, principal, worded_wait

MINUTE = 60.0
MANY = 1_000


@dataclass(slots=True)
class Bucket:
    """What is left of a principal's calls at a time of the steady clock; `told` that a refusal was recorded since."""

    left: float
    at: float
    told: bool = False


@dataclass(slots=True)
class Buckets:
    """One bucket for each principal that called lately."""

    buckets: dict[str, Bucket] = field(default_factory=dict)

    def take(self, limits: Limits, actor: Actor, now: float) -> tuple[Exceeded | None, bool]:
        """Take a call; returns why not, and whether that is the first refusal in a row, which is worth a record."""
        per_minute = limits.calls_per_minute
        if per_minute is None:
            return None, False
        bucket = self._bucket(actor, per_minute, now)
        if bucket.left >= 1:
            bucket.left, bucket.told = bucket.left - 1, False
            return None, False
        first, bucket.told = not bucket.told, True
        wait = worded_wait((1 - bucket.left) * MINUTE / per_minute)
        return Exceeded("calls_per_minute", str(per_minute), "calls come too fast.", f"Call again in {wait}."), first

    def _bucket(self, actor: Actor, per_minute: int, now: float) -> Bucket:
        kind, ids = principal(actor)
        key = f"{kind}:{min(ids)}"
        bucket = self.buckets.get(key)
        if bucket is None:
            self._forget_idle(per_minute, now)
            bucket = self.buckets[key] = Bucket(float(per_minute), now)
        bucket.left = _filled(bucket, per_minute, now)
        bucket.at = now
        return bucket

    def _forget_idle(self, per_minute: int, now: float) -> None:
        if len(self.buckets) < MANY:
            return
        for key, one in tuple(self.buckets.items()):
            if _filled(one, per_minute, now) >= per_minute:
                del self.buckets[key]


def _filled(bucket: Bucket, per_minute: int, now: float) -> float:
    return min(bucket.left + (now - bucket.at) * per_minute / MINUTE, float(per_minute))
