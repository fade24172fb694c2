"""Thresholds: reported once when a figure stayed above for its time, and once when it is well below again."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.sample import server
from vpsops.core.messaging.subscriptions import Subscription, SubscriptionEvent, SubscriptionOptions, Threshold
from vpsops.core.monitoring.thresholds import GAP_SECONDS, Alarm, figure, gauges, step
from vpsops.core.wayscloud.answers.models import Usage

CPU = Threshold("cpu", 90, 10)
MINUTE = 60.0


def run(figures: Sequence[float], seconds: float = MINUTE, threshold: Threshold = CPU) -> list[tuple[int, bool]]:
    """Feed figures one after another; return when an alarm was raised or ended."""
    alarm: Alarm | None = None
    turned = []
    for number, value in enumerate(figures):
        alarm, alert = step(alarm, value, threshold, number * seconds)
        turned += [(number, alert)] if alert is not None else []
    return turned


def test_it_is_told_once_after_its_time_and_once_when_it_is_over() -> None:
    """Ten minutes above ninety raise it; below eighty-five ends it."""
    assert run([95.0] * 20 + [84.0] * 3) == [(10, True), (20, False)]


def test_a_short_peak_is_not_told() -> None:
    """One figure at or below the threshold restarts the time."""
    assert run([95.0] * 9 + [90.0] + [95.0] * 9) == []


def test_a_figure_on_the_edge_is_told_once() -> None:
    """Between the threshold and five points below it, an alarm stays as it is."""
    assert run([95.0] * 11 + [89.0, 91.0, 86.0, 92.0, 88.0] * 5) == [(10, True)]


def test_a_gap_begins_the_time_anew() -> None:
    """The value between two distant figures is unknown; a reported alarm stays reported."""
    assert run([95.0, 95.0], seconds=GAP_SECONDS + 1) == []
    alarm = Alarm(0.0, 0.0, reported=True)
    assert step(alarm, 95.0, CPU, GAP_SECONDS * 10)[1] is None
    assert step(alarm, 50.0, CPU, GAP_SECONDS * 10) == (None, False)


def test_a_clock_that_went_back_raises_nothing_early() -> None:
    """After a restart of the machine the steady clock restarts."""
    alarm, alert = step(Alarm(5000.0, 5000.0), 95.0, CPU, 10.0)
    assert alert is None
    assert alarm == Alarm(10.0, 10.0)


@given(st.lists(st.floats(0, 100), max_size=80), st.floats(1, 99), st.integers(1, 20))
def test_raised_and_ended_take_turns(figures: list[float], above: float, minutes: int) -> None:
    """Whatever the figures: an end follows a beginning, and a beginning an end."""
    turns = [raised for _, raised in run(figures, threshold=Threshold("cpu", above, minutes))]
    assert turns == [number % 2 == 0 for number in range(len(turns))]


def test_only_servers_that_are_up_and_meant_are_measured() -> None:
    """A stopped server has no figures, and without a threshold no figure is read."""
    usage = SubscriptionOptions(usage=(CPU, Threshold("disk", 80, 5)))
    subscriptions = [
        Subscription("sub_1", "T1", "C1", frozenset({SubscriptionEvent.USAGE}), ("web*",), usage),
        Subscription("sub_2", "T1", "C1", frozenset({SubscriptionEvent.DRIFT}), ("*",)),
    ]
    fleet = [
        server("running", "s1", "web01.example.com"),
        server("stopped", "s2", "web02.example.com"),
        server("running", "s3", "db01.example.com"),
    ]
    results = list(gauges(subscriptions, fleet))
    assert [(item.server_id, item.threshold.metric) for item in results] == [("s1", "cpu"), ("s1", "disk")]
    assert "has been over 90 % for 10 min and is at 97 %" in str(results[0].event_payload(97.4, raised=True))


@pytest.mark.parametrize(("metric", "value"), [("cpu", 1.0), ("memory", 2.0), ("disk", None), ("luck", None)])
def test_a_figure_the_provider_did_not_give_is_none(metric: str, value: float | None) -> None:
    """A figure that is missing is not zero."""
    assert figure(Usage(cpu_percent=1.0, memory_percent=2.0), metric) == value
