"""A figure over its threshold: reported once it stayed there for a while, and again once it is well below."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vpsops.core.common import timings
from vpsops.core.common.json_types import Json
from vpsops.core.messaging.subscriptions import Subscription, SubscriptionEvent, Threshold
from vpsops.core.wayscloud.answers.models import Server, Usage

BELOW: Final = 5.0
"""Points below the threshold at which an alarm is over, so that a figure on the edge is not reported repeatedly."""
GAP_SECONDS: Final = timings.GAP_SECONDS
"""After so long without a figure, its values in between are not known."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Since when a figure has been above its threshold, when it was seen last, and whether that was reported."""

    since: float
    seen: float
    reported: bool = False


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure that one subscription watches on one server."""

    subscription: str
    server_id: str
    hostname: str
    threshold: Threshold

    @property
    def key(self) -> str:
        """Name the gauge, the same in every process."""
        threshold = self.threshold
        return f"{self.subscription}/{self.server_id}/{threshold.metric}/{threshold.above:g}/{threshold.minutes}"

    def event_payload(self, value: float, *, raised: bool) -> dict[str, Json]:
        """The event as the outbox holds it."""
        threshold = self.threshold
        over = f"has been over {threshold.above:g} % for {threshold.minutes} min and is at {value:.0f} %"
        under = f"is below {threshold.above:g} % again, at {value:.0f} %"
        return {
            "event": "usage",
            "subscription": self.subscription,
            "server": self.server_id,
            "hostname": self.hostname,
            "text": f"{self.hostname}: {threshold.metric} {over if raised else under}.",
        }


def gauges(subscriptions: Sequence[Subscription], servers: Sequence[Server]) -> Iterator[Gauge]:
    """Yield every figure with a threshold, of the servers that are up."""
    for item in subscriptions:
        if SubscriptionEvent.USAGE in item.events:
            for server in servers:
                if (server.ready or server.power_unknown) and item.means(server.id, server.hostname):
                    for threshold in item.options.usage:
                        yield Gauge(item.id, server.id, server.hostname, threshold)


def figure(usage: Usage, metric: str) -> float | None:
    """Return a figure in percent, if the provider gave it."""
    values = {"cpu": usage.cpu_percent, "memory": usage.memory_percent, "disk": usage.disk_percent}
    return values.get(metric)


def step(alarm: Alarm | None, value: float, threshold: Threshold, at: float) -> tuple[Alarm | None, bool | None]:
    """Return the alarm after one more figure, and whether it was raised (True), ended (False) or neither (None)."""
    if alarm is not None and not alarm.reported and not 0 <= at - alarm.seen <= GAP_SECONDS:
        alarm = None
    if value <= threshold.above:
        if alarm is None or not alarm.reported:
            return None, None
        over = value <= max(threshold.above - BELOW, threshold.above / 2)
        return (None, False) if over else (Alarm(alarm.since, at, reported=True), None)
    since = alarm.since if alarm else at
    if (alarm is None or not alarm.reported) and at - since >= threshold.minutes * 60:
        return Alarm(since, at, reported=True), True
    return Alarm(since, at, alarm.reported if alarm else False), None


def reported_alarms(alarms: Mapping[str, Alarm]) -> dict[str, Json]:
    """Return the alarms that people know of, to be stored for other processes."""
    return {key: alarm.since for key, alarm in alarms.items() if alarm.reported}
