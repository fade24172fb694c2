"""Amounts that are typed into a menu of plans mean that much, and not a part of a larger number."""

import pytest

from vpsops.bot.views.modals import OrderOptions, menu_options
from vpsops.bot.views.operation_form import choice_options
from vpsops.core.operations.strategies import Choice
from vpsops.core.wayscloud.answers.models import Plan

PLANS = [
    Plan(code="large", name="Large", vcpus=4, memory_gb=24, disk_gb=240),
    Plan(code="thin", name="Thin", vcpus=1, memory_gb=1, disk_gb=4),
    Plan(code="small", name="Small", vcpus=2, memory_gb=4, disk_gb=40),
]


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("4 gb", ["Small", "Thin"]),
        ("4gb", ["Small", "Thin"]),
        ("4 GB memory", ["Small"]),
        ("4 gb disk", ["Thin"]),
        ("24 gb", ["Large"]),
        ("2 vcpu", ["Small"]),
        ("4g", ["Small", "Thin"]),
        ("4 GiB", ["Small", "Thin"]),
        ("4 gigs", ["Small", "Thin"]),
        ("\uff14 \uff27\uff22", ["Small", "Thin"]),
        ("4,0 gb", []),
        ("2 cores", ["Small"]),
        ("2cpu", ["Small"]),
        ("sm", ["Small"]),
        ("", ["Large", "Thin", "Small"]),
    ],
)
def test_an_amount_means_that_much(typed: str, names: list[str]) -> None:
    """Memory first, then disk; without a unit a number is any part of the words."""
    options = menu_options(OrderOptions(tuple(PLANS)), "plan", typed)
    assert [option["text"]["text"].split(",")[0] for option in options] == names


@pytest.mark.parametrize(
    ("typed", "values"),
    [("4 gb", ["small"]), ("4g", ["small"]), ("4 cores", ["large"]), ("l", ["small", "large"])],
)
def test_the_menu_of_an_operations_form_is_searched_alike(typed: str, values: list[str]) -> None:
    """Plans to resize to: 4 GB is no part of 24 GB."""
    choices = [Choice("small", "Small", "2 vCPU, 4 GB memory"), Choice("large", "Large", "4 vCPU, 24 GB memory")]
    assert [option["value"] for option in choice_options(choices, typed)] == values
