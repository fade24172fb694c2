"""The cost by label: what is not known is a line of its own, and nothing is added up that has no currency."""

import pytest

from vpsops.core.operations.prices import LabelCost, costs_by_label
from vpsops.core.reports.status_report import label_costs_words
from vpsops.core.wayscloud.answers.models import Plan, Server
from vpsops.mcp_server.presenters.fleet_summary import summarize_costs

PLANS = [Plan(code="p", monthly_price=100, currency="NOK")]
FLEET = [
    Server(id="1", hostname="a", status="running", plan="p", labels={"owner": "ann", "env": "prod"}),
    Server(id="2", hostname="b", status="running", plan="P", labels={"Owner": "Ann"}),
    Server(id="3", hostname="c", status="running", plan="x", labels={"owner": "bob"}),
    Server(id="4", hostname="d", status="running", plan="p", labels={}),
    Server(id="5", hostname="e", status="running", plan="p"),
    Server(id="6", hostname="f", status="running", labels={"owner": "not known"}),
]


@pytest.mark.requirement("labels-not-left-out")
def test_costs_are_added_up_by_the_values_of_a_key() -> None:
    """The case of a value does not part it; a value that reads as not known is an owner all the same."""
    assert costs_by_label(FLEET, PLANS, "owner") == (
        LabelCost("owner=ann", 2, {"NOK": 200.0}, 0),
        LabelCost("owner=bob", 1, {}, 1),
        LabelCost("owner=not known", 1, {}, 1),
        LabelCost("none", 1, {"NOK": 100.0}, 0),
        LabelCost("not known", 1, {"NOK": 100.0}, 0),
    )


def test_the_report_adds_up_by_a_label_that_was_asked_for() -> None:
    """Servers without it, and those of unknown labels, are lines that no value can be mistaken for."""
    words = label_costs_words(costs_by_label(FLEET, PLANS, "env"), "env")
    assert words.startswith("prod: 100 NOK a month; no label: 200 NOK a month and 2 without a known price; ")
    assert words.endswith("labels not known: 100 NOK a month")
    many = [Server(id=str(n), hostname="x", status="running", plan="p", labels={"n": str(n)}) for n in range(50)]
    assert "42 more values" in label_costs_words(costs_by_label(many, PLANS, "n"), "n")


def test_every_label_is_a_line_without_a_key() -> None:
    """A server counts under each of its labels, once."""
    labels = [cost.label for cost in costs_by_label(FLEET, PLANS)]
    assert labels == ["owner=ann", "env=prod", "owner=bob", "owner=not known", "none", "not known"]


def test_the_report_and_the_prompt_have_both() -> None:
    """In words, and as figures; without any labels the prompt counts them as not known."""
    words = label_costs_words(costs_by_label(FLEET, PLANS, "owner"))
    assert words.startswith("ann: 200 NOK a month; bob: 1 without a known price; ")
    assert words.endswith("none: 100 NOK a month; not known: 100 NOK a month")
    content = summarize_costs(FLEET, PLANS)
    assert {"label": "not known", "servers": 1, "a_month": {"NOK": 100.0}} in content["by_label"]  # type: ignore[operator]
    assert content["labels_not_known"] == 1
    many = [Server(id=str(n), hostname="x", status="running", plan="p", labels={"n": str(n)}) for n in range(50)]
    assert len(summarize_costs([*many, *FLEET[3:5]], PLANS)["by_label"]) == 22  # type: ignore[arg-type]
    assert "by_label" not in summarize_costs(FLEET[4:5], PLANS)
    assert "5 more" not in words
    assert "42 more owners" in label_costs_words(costs_by_label(many, PLANS, "n"))
