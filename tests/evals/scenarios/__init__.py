"""All scenarios."""

from typing import Final

from tests.evals.scenario import Scenario
from tests.evals.scenarios.backups import BACKUP_SCENARIOS
from tests.evals.scenarios.changing import CHANGING
from tests.evals.scenarios.failing import FAILING
from tests.evals.scenarios.finding import FINDING
from tests.evals.scenarios.hostile import HOSTILE
from tests.evals.scenarios.life import LIFE_SCENARIOS
from tests.evals.scenarios.refusing import REFUSING
from tests.evals.scenarios.waiting import WAITING

SCENARIOS: Final[tuple[Scenario, ...]] = (
    *FINDING,
    *CHANGING,
    *LIFE_SCENARIOS,
    *BACKUP_SCENARIOS,
    *WAITING,
    *REFUSING,
    *HOSTILE,
    *FAILING,
)
