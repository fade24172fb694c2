"""The metrics in a registry of the Prometheus client, one for each meter."""

from collections.abc import Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from vpsops.core.telemetry.metrics import METRICS, Metric, MetricKind

Collector = Counter | Gauge | Histogram
C = TypeVar("C", Counter, Gauge, Histogram)


class PrometheusRegistry:
    """All metrics of one process. A metric without labels that is read from the database is absent until it is set."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._collectors = {metric.name: _collector_of(metric) for metric in METRICS}
        self._shown = {metric.name for metric in METRICS if metric.labels or metric.kind is not MetricKind.GAUGE}
        for name in self._shown:
            self._registry.register(self._collectors[name])
        ProcessCollector(registry=self._registry)

    def count(self, metric: Metric, labels: Mapping[str, str]) -> None:
        """Add 1 to a counter."""
        self._child(metric, labels, Counter).inc()

    def observe(self, metric: Metric, seconds: float, labels: Mapping[str, str]) -> None:
        """Add a time to a histogram."""
        self._child(metric, labels, Histogram).observe(seconds)

    def set(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """Set a gauge."""
        if metric.name not in self._shown:
            self._registry.register(self._collectors[metric.name])
            self._shown.add(metric.name)
        self._child(metric, labels, Gauge).set(value)

    def clear(self, metric: Metric) -> None:
        """Make a gauge absent."""
        collector = self._collectors[metric.name]
        if metric.labels:
            collector.clear()
        elif metric.name in self._shown:
            self._registry.unregister(collector)
            self._shown.discard(metric.name)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics as text, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def _child(self, metric: Metric, labels: Mapping[str, str], kind: type[C]) -> C:
        collector = self._collectors[metric.name]
        if not isinstance(collector, kind):
            raise TypeError(f"{metric.name} is a {metric.kind.value}")
        return collector.labels(**labels) if metric.labels else collector


def _collector_of(metric: Metric) -> Collector:
    match metric.kind:
        case MetricKind.COUNTER:
            return Counter(metric.name, metric.help, metric.labels, registry=None)
        case MetricKind.GAUGE:
            return Gauge(metric.name, metric.help, metric.labels, registry=None)
        case MetricKind.HISTOGRAM:
            return Histogram(metric.name, metric.help, metric.labels, registry=None, buckets=metric.buckets)
