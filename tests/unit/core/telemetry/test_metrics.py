"""Metrics have closed labels, one definition each, and cost nothing where they are not served."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from vpsops.core.telemetry import metrics
from vpsops.core.telemetry.meter import MetricMeter
from vpsops.core.telemetry.metrics import CLOSED_LISTS, METRICS, OTHER, REGISTRIES, MetricKind

pytestmark = pytest.mark.real_time  # the client of Prometheus stamps what it makes
ALLOWED = {"operation": ["reboot"], "state": ["held"], "decision": ["approve"], "route": ["list_servers"]}
ALLOWED |= {"slack_method": ["chat.update"], "tool": ["vps_list"], "version": ["0.1.0"], "python": ["3.11.2"]}


def meter_with_lists() -> MetricMeter:
    """A meter that counts, with a short list for each registry."""
    meter = MetricMeter()
    for label, values in ALLOWED.items():
        meter.allow(label, values)
    meter.enable()
    return meter


def samples(meter: MetricMeter) -> list[tuple[str, dict[str, str], float]]:
    """Return the samples that a scraper reads."""
    body, _ = meter.render("text/plain")
    families = text_string_to_metric_families(body.decode())
    return [(sample.name, dict(sample.labels), sample.value) for family in families for sample in family.samples]


def test_names_follow_prometheus_conventions() -> None:
    """Counters end in `_total`, times in `_seconds`; each name is there once, and says what it is."""
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(r"vpsops_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") is (metric.kind is MetricKind.COUNTER)
        assert bool(metric.buckets) is (metric.kind is MetricKind.HISTOGRAM)
        assert metric.kind is not MetricKind.HISTOGRAM or metric.name.endswith("_seconds")
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert metric.help.endswith(".")


def test_all_definitions_are_in_the_list() -> None:
    """A metric that is defined and not listed would have no series and no row on its page."""
    defined = [value for value in vars(metrics).values() if isinstance(value, metrics.Metric)]
    assert sorted(defined, key=lambda metric: metric.name) == sorted(METRICS, key=lambda metric: metric.name)


def test_every_label_has_a_list() -> None:
    """Each label is of a closed list, or of a registry that the composition root hands over."""
    used = {label for metric in METRICS for label in metric.labels}
    assert used == CLOSED_LISTS.keys() | REGISTRIES.keys()
    assert not CLOSED_LISTS.keys() & REGISTRIES.keys()


@given(st.data())
def test_no_words_from_outside_enter_a_label(data: st.DataObject) -> None:
    """Whatever names, ids and errors are counted, each value of a label is of its list, or `other`."""
    meter = meter_with_lists()
    known = st.sampled_from(["web01", "chg_1", "reboot", "ok", "slack", "2xx", "other"])
    words = st.one_of(st.text(max_size=40), known)
    for metric in METRICS:
        labels = {label: data.draw(words) for label in metric.labels}
        match metric.kind:
            case MetricKind.COUNTER:
                meter.count(metric, **labels)
            case MetricKind.GAUGE:
                meter.set(metric, 1.0, **labels)
            case MetricKind.HISTOGRAM:
                meter.observe(metric, 1.0, **labels)
    allowed = {label: {*values, OTHER} for label, values in [*CLOSED_LISTS.items(), *ALLOWED.items()]}
    shown = [labels for name, labels, _ in samples(meter) if name.startswith("vpsops_")]
    assert shown
    for labels in shown:
        for label, value in labels.items():
            assert label == "le" or value in allowed[label]


def test_two_meters_share_nothing() -> None:
    """Two compositions of one process have a registry each."""
    first, second = meter_with_lists(), meter_with_lists()
    first.count(metrics.VOTES, verdict="deny")
    assert ("vpsops_votes_total", {"verdict": "deny"}, 1.0) in samples(first)
    assert not [name for name, labels, _ in samples(second) if name == "vpsops_votes_total" and labels]


def test_a_gauge_that_is_not_known_is_absent() -> None:
    """Not known is not none: with labels or without, a cleared gauge has no sample."""
    meter = meter_with_lists()
    for metric, labels in ((metrics.DEAD_MESSAGES, {}), (metrics.QUEUE_DEPTH, {"queue": "inbox"})):
        assert metric.name not in {name for name, _, _ in samples(meter)}
        meter.set(metric, 0.0, **labels)
        assert (metric.name, labels, 0.0) in samples(meter)
        meter.clear(metric)
        assert metric.name not in {name for name, _, _ in samples(meter)}


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    """A histogram's sum never falls."""
    meter = meter_with_lists()
    meter.observe(metrics.SEND_SECONDS, -5.0)
    assert ("vpsops_change_send_seconds_sum", {}, 0.0) in samples(meter)


def test_a_meter_that_is_not_served_counts_nothing() -> None:
    """Before it is enabled a count is dropped."""
    meter = MetricMeter()
    meter.count(metrics.VOTES, verdict="deny")
    assert not meter.is_enabled
    assert meter.render("text/plain")[0] == b""


@pytest.mark.slow
@pytest.mark.requirement("telemetry-optional")
@pytest.mark.parametrize("module", ["vpsops.core.app", "vpsops.bot.app", "vpsops.cli.worker"])
def test_neither_client_is_loaded_by_what_serves_nothing(module: str) -> None:
    """Importing a front end loads no Prometheus client, and neither OpenTelemetry's API nor its SDK."""
    names = "('prometheus_client', 'opentelemetry')"
    code = f"import {module}, sys; print([name for name in sys.modules if name.startswith({names})])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == "[]"
