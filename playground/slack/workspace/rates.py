"""Rate limits as Slack applies them: one limit per method and, for posts, per channel; no I/O."""

import math
from collections.abc import Mapping

from vpsops.core.common.rate_limiter import Rate, RateLimiter
from vpsops.playground.slack.workspace.config import Rates
from vpsops.playground.slack.workspace.methods import METHODS
from vpsops.playground.slack.workspace.protocol import ApiError

MINUTE = 60.0


class RateLimits:
    """The limits of one workspace and app."""

    def __init__(self, rates: Rates) -> None:
        self.rates = rates
        self._limiter: RateLimiter[str] = RateLimiter()

    def admit(self, method: str, channel: str, now: float) -> None:
        """Let a call through or raise `ApiError` ratelimited with Retry-After in whole seconds."""
        if not self.rates.enforced:
            return
        limits = self._limits(method, channel)
        wait = max((self._limiter.wait(name, rate, now) for name, rate in limits.items()), default=0.0)
        if wait > 0:
            raise ratelimited(max(1, math.ceil(wait)))
        for name, rate in limits.items():
            self._limiter.reserve(name, rate, now)

    def _limits(self, method: str, channel: str) -> Mapping[str, Rate]:
        rates = self.rates
        if method == "chat.postMessage":
            each = Rate(1 / rates.post_per_second, rates.post_burst)
            return {f"{method} workspace": _a_minute(rates.posts_per_minute), f"{method} {channel}": each}
        per_minute = rates.update_per_minute if method == "chat.update" else METHODS[method].per_minute
        return {} if per_minute is None else {method: _a_minute(per_minute)}


def _a_minute(count: int) -> Rate:
    return Rate(MINUTE / count, count)


def ratelimited(retry_after: int) -> ApiError:
    """Return Slack's 429."""
    return ApiError("ratelimited", status=429, headers={"Retry-After": str(retry_after)})
