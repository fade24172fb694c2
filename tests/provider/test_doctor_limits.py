"""`vpsops doctor` on each variant of the API: the limits that show only beside another answer."""

import pytest

from tests.fakes.odd_provider.front import Habit, OddAnswer, odd_provider
from tests.fakes.odd_provider.habits import Capped, five_fields, no_metrics, no_power, no_uptime
from tests.harness.virtual_time import VirtualClock
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import Level
from vpsops.core.diagnostics.provider import check_provider
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

KEY = "wayscloud_vps_test1_SECRET"


def no_currency(answer: OddAnswer) -> None:
    """Price plans in no currency."""
    if answer.path.rstrip("/").endswith("/plans"):
        answer.body = [{**plan, "currency": None} for plan in answer.body]


def ghosts(answer: OddAnswer) -> None:
    """List servers that are not there any more."""
    if answer.shows_server:
        answer.status, answer.body = 404, {"detail": "VPS not found"}


@pytest.mark.parametrize(
    ("dialect", "habits", "warnings"),
    [
        pytest.param("seed", [], ["leaves out plan, region, os template"], id="the documented five fields"),
        pytest.param("terraform", [], ["leaves out os template"], id="fuller entries"),
        pytest.param(
            "terraform",
            [five_fields],
            ["leaves out plan, region, os template, power state"],
            id="five fields, active",
        ),
        pytest.param(
            "terraform", [no_power], ["leaves out os template", "does not say whether it runs"], id="no power anywhere"
        ),
        pytest.param("seed", [no_uptime], ["leaves out plan", "figures come without an uptime"], id="no uptime"),
        pytest.param("seed", [no_metrics], ["leaves out plan", "figures come without cpu, memory"], id="no metrics"),
        pytest.param("sdk", [], ["leaves out os template", "without an uptime"], id="the command line's names"),
        pytest.param("seed", [Capped(1)], ["not complete: 1 of 2 are listed", "leaves out plan"], id="a capped list"),
        pytest.param(
            "terraform", [no_currency], ["leaves out os template", "no usable price or currency"], id="no currency"
        ),
        pytest.param("seed", [ghosts], ["is listed and cannot be read"], id="a ghost"),
    ],
)
@pytest.mark.requirement("doctor-names-limits")
async def test_doctor_names_what_this_api_cannot_tell(dialect: str, habits: list[Habit], warnings: list[str]) -> None:
    """One line for each, with its consequence; none of them prevents work."""
    clock = VirtualClock()
    async with (
        running_simulator(SimulatorConfig(seed=7, dialect=dialect), clock=clock) as behind,
        odd_provider(behind, *habits) as url,
    ):
        settings = Settings.model_validate({"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": url})
        findings = await check_provider(settings, clock)
    warned = [item for item in findings if item.level is Level.WARN]
    assert len(warned) == len(warnings), [item.what for item in warned]
    assert all(words in entry.what and entry.todo for words, entry in zip(warnings, warned, strict=True))
    assert Level.FAIL not in {item.level for item in findings}
