"""All scenarios."""

from typing import Final

from tests.evals.scenario import Scenario
from tests.evals.scenarios.backups import BACKUP_SCENARIOS
from tests.evals.scenarios.bulk import BULK_SCENARIOS
from tests.evals.scenarios.diagnosis import DIAGNOSIS_SCENARIOS
from tests.evals.scenarios.firewall import FIREWALL_SCENARIOS
from tests.evals.scenarios.grant_requests import GRANT_SCENARIOS
from tests.evals.scenarios.hostile import HOSTILE_SCENARIOS
from tests.evals.scenarios.lifecycle import LIFECYCLE_SCENARIOS
from tests.evals.scenarios.pending_changes import PENDING_CHANGE_SCENARIOS
from tests.evals.scenarios.provision import PROVISION_SCENARIOS
from tests.evals.scenarios.recovery import RECOVERY_SCENARIOS
from tests.evals.scenarios.refusal import REFUSAL_SCENARIOS
from tests.evals.scenarios.skills import SKILL_SCENARIOS

SCENARIOS: Final[tuple[Scenario, ...]] = (
    *DIAGNOSIS_SCENARIOS,
    *PROVISION_SCENARIOS,
    *LIFECYCLE_SCENARIOS,
    *BACKUP_SCENARIOS,
    *BULK_SCENARIOS,
    *FIREWALL_SCENARIOS,
    *GRANT_SCENARIOS,
    *PENDING_CHANGE_SCENARIOS,
    *REFUSAL_SCENARIOS,
    *HOSTILE_SCENARIOS,
    *RECOVERY_SCENARIOS,
    *SKILL_SCENARIOS,
)
