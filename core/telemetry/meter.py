"""Counts for metrics. A meter does nothing until the process serves them, and loads nothing before."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from vpsops.core.telemetry.metrics import CLOSED_LISTS, OTHER, Metric

if TYPE_CHECKING:
    from vpsops.core.telemetry.prometheus_registry import PrometheusRegistry


class MetricMeter:
    """The metrics of one composition of a process; each value of a label is one of its list, or `other`."""

    __slots__ = ("_allowed", "_registry")

    def __init__(self) -> None:
        self._registry: PrometheusRegistry | None = None
        self._allowed: dict[str, frozenset[str]] = {label: frozenset(values) for label, values in CLOSED_LISTS.items()}

    @property
    def is_enabled(self) -> bool:
        """Return whether anything is counted."""
        return self._registry is not None

    def enable(self) -> None:
        """Count from now on; this loads the Prometheus client."""
        if self._registry is None:
            from vpsops.core.telemetry.prometheus_registry import (  # noqa: PLC0415 - not for what serves no metrics
                PrometheusRegistry,
            )

            self._registry = PrometheusRegistry()

    def allow(self, label: str, values: Iterable[str]) -> None:
        """Add values to a label's list."""
        self._allowed[label] = self._allowed.get(label, frozenset()) | frozenset(values)

    def count(self, metric: Metric, **labels: str) -> None:
        """Add 1 to a counter."""
        if self._registry is not None:
            self._registry.count(metric, self._bounded(labels))

    def observe(self, metric: Metric, seconds: float, **labels: str) -> None:
        """Add a time to a histogram; a negative one, of a clock that was set, counts as 0."""
        if self._registry is not None:
            self._registry.observe(metric, max(seconds, 0.0), self._bounded(labels))

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a gauge."""
        if self._registry is not None:
            self._registry.set(metric, value, self._bounded(labels))

    def clear(self, metric: Metric) -> None:
        """Make a gauge absent: nothing is known of it."""
        if self._registry is not None:
            self._registry.clear(metric)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the text format that a scraper accepts, and its content type."""
        return self._registry.render(accept) if self._registry is not None else (b"", "text/plain; charset=utf-8")

    def _bounded(self, labels: Mapping[str, str]) -> dict[str, str]:
        allowed = self._allowed
        return {name: value if value in allowed.get(name, ()) else OTHER for name, value in labels.items()}
