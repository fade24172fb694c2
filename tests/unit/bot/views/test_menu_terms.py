"""Amounts that are typed into a menu of plans mean that much, and not a part of a larger number."""

import pytest

from vpsops.bot.views.modals import OrderOptions, menu_options
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
        ("sm", ["Small"]),
        ("", ["Large", "Thin", "Small"]),
    ],
)
def test_an_amount_means_that_much(typed: str, names: list[str]) -> None:
    """Memory first, then disk; without a unit a number is any part of the words."""
    options = menu_options(OrderOptions(tuple(PLANS)), "plan", typed)
    assert [option["text"]["text"].split(",")[0] for option in options] == names
