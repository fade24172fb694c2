"""The dashboard and the alert rules name metrics, labels and values that there are, and Prometheus takes them."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.docs.generate import ROOT
from tests.harness.patience import PATIENCE_SECONDS
from tests.packaging.programs import needs_program
from vpsops.core.changes.model import State
from vpsops.core.telemetry.metrics import CLOSED_LISTS, METRICS, Metric, MetricKind

FOLDER = ROOT / "packaging" / "observability"
TESTS = Path(__file__).parent / "rules_test.yml"
BY_NAME = {metric.name: metric for metric in METRICS}
SELECTOR = re.compile(r"\b(vpsops_[a-z_]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\bby \(([^)]*)\)")
FREE = {"le", "instance", "job"}


def expressions() -> Iterator[str]:
    """Yield every expression of the rules and of the dashboard."""
    rules = yaml.safe_load((FOLDER / "rules.yml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    dashboard = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def metric_of(name: str) -> Metric:
    """Return the metric that a series belongs to."""
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    metric = BY_NAME[name] if name in BY_NAME else BY_NAME[base]
    assert (metric.kind is MetricKind.HISTOGRAM) is (name != metric.name)
    return metric


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_each_series_label_and_value_exists(expression: str) -> None:
    """A renamed metric or label would leave an alert silent and a panel empty."""
    allowed = {**CLOSED_LISTS, "state": tuple(State)}
    labels: set[str] = set(FREE)
    for name, matchers in SELECTOR.findall(expression):
        metric = metric_of(name)
        labels |= set(metric.labels)
        for label, _, value in MATCHER.findall(matchers):
            assert label in metric.labels
            assert set(value.split("|")) <= set(allowed[label])
    for grouped in GROUPING.findall(expression):
        assert {label.strip() for label in grouped.split(",")} <= labels


def test_every_metric_is_on_the_dashboard() -> None:
    """What is counted is drawn."""
    dashboard = (FOLDER / "dashboard.json").read_text(encoding="utf-8")
    assert [metric.name for metric in METRICS if metric.name not in dashboard] == []


def test_panels_have_titles_and_places_of_their_own() -> None:
    panels = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    titles = [panel["title"] for panel in panels]
    assert len(set(places)) == len(set(titles)) == len(panels)


@pytest.mark.slow
@needs_program("promtool", "prometheus")
@pytest.mark.parametrize("command", [("check", "rules", "rules.yml"), ("test", "rules", TESTS.name)])
def test_prometheus_takes_the_rules_and_they_fire_when_they_should(command: tuple[str, ...], tmp_path: Path) -> None:
    """Promtool parses each rule, and plays series that raise alerts and let them end."""
    for path in (FOLDER / "rules.yml", TESTS):
        shutil.copy(path, tmp_path)
    ended = subprocess.run(
        ["promtool", *command], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
