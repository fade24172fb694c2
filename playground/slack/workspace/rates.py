"""Rate limits as Slack applies them: a bucket per method and, for posts, per channel; no I/O."""

import math

from vpsops.playground.slack.workspace.config import Rates
from vpsops.playground.slack.workspace.methods import METHODS
from vpsops.playground.slack.workspace.protocol import ApiError

MINUTE = 60.0
EPSILON = 1e-6


class Bucket:
    """Tokens that refill at a steady rate up to `size`."""

    def __init__(self, size: float, per_second: float, now: float) -> None:
        self._size, self._rate = size, per_second
        self._level, self._at = size, now

    def wait(self, now: float) -> float:
        """Return the seconds until a token is there; 0 when one is."""
        self._level = min(self._size, self._level + (now - self._at) * self._rate)
        self._at = now
        return max(0.0, (1 - self._level) / self._rate)

    def take(self) -> None:
        """Spend a token."""
        self._level -= 1


class RateLimits:
    """The buckets of one workspace and app."""

    def __init__(self, rates: Rates) -> None:
        self.rates = rates
        self._buckets: dict[str, Bucket] = {}

    def admit(self, method: str, channel: str, now: float) -> None:
        """Let a call through or raise `ApiError` ratelimited with Retry-After in whole seconds."""
        if not self.rates.enforced:
            return
        buckets = [self._bucket(name, size, rate, now) for name, size, rate in self._limits(method, channel)]
        wait = max((each.wait(now) for each in buckets), default=0.0)
        if wait > EPSILON:
            raise ratelimited(max(1, math.ceil(wait)))
        for bucket in buckets:
            bucket.take()

    def _limits(self, method: str, channel: str) -> list[tuple[str, float, float]]:
        rates = self.rates
        if method == "chat.postMessage":
            minute = (f"{method} workspace", float(rates.posts_per_minute), rates.posts_per_minute / MINUTE)
            return [minute, (f"{method} {channel}", float(rates.post_burst), rates.post_per_second)]
        per_minute = rates.update_per_minute if method == "chat.update" else METHODS[method].per_minute
        return [] if per_minute is None else [(method, float(per_minute), per_minute / MINUTE)]

    def _bucket(self, name: str, size: float, rate: float, now: float) -> Bucket:
        return self._buckets.setdefault(name, Bucket(size, rate, now))


def ratelimited(retry_after: int) -> ApiError:
    """Return Slack's 429."""
    return ApiError("ratelimited", status=429, headers={"Retry-After": str(retry_after)})
