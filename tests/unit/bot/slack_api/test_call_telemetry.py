"""Calls of Slack are counted by method and outcome, both of closed lists."""

import ast

import pytest

from tests.docs.generate import ROOT
from tests.unit.core.monitoring.test_change_telemetry import ListMeter
from vpsops.bot.slack_api.call_telemetry import METHODS, RESPONSE_URL, observed_call
from vpsops.bot.slack_api.client import SlackError
from vpsops.core.telemetry.telemetry import Telemetry


@pytest.mark.parametrize(
    ("method", "error", "named", "outcome"),
    [
        ("chat.update", None, "chat.update", "ok"),
        ("chat.update", SlackError("chat.update", "ratelimited", 1.0), "chat.update", "rate_limited"),
        ("chat.update", SlackError("chat.update", "unreachable (TimeoutError)"), "chat.update", "unreachable"),
        ("chat.update", SlackError("chat.update", "not_in_channel"), "chat.update", "refused"),
        ("chat.update", ValueError("words"), "chat.update", "error"),
        ("web01.example.com", None, "other", "ok"),
    ],
)
async def test_a_call_is_counted_once(method: str, error: Exception | None, named: str, outcome: str) -> None:
    """The error passes through; Slack's own codes, of which there are hundreds, are one outcome."""
    meter = ListMeter()
    if error is None:
        with observed_call(Telemetry(meter), method):
            pass
    else:
        with pytest.raises(type(error)), observed_call(Telemetry(meter), method):
            raise error
    assert meter.counted == [("vpsops_slack_calls_total", {"slack_method": named, "outcome": outcome})]
    assert [labels for _, _, labels in meter.observed] == [{"slack_method": named}]


def test_every_method_that_is_called_has_a_name() -> None:
    """A method that a new feature calls would be counted as `other`."""
    called = set()
    for path in (ROOT / "bot").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                first = node.args[0] if node.args else None
                if node.func.attr in {"get", "_or_plain"} and isinstance(first, ast.Constant):
                    called.add(str(first.value))
    families = {method.partition(".")[0] for method in METHODS - {RESPONSE_URL}}
    methods = {name for name in called if "." in name and name.partition(".")[0] in families}
    assert "conversations.info" in methods
    assert methods <= METHODS
