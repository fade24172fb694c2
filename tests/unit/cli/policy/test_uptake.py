"""`vpsops policy apply` says which processes took the policy, and which did not."""

from pathlib import Path

import pytest

from tests.fakes.policies import put_in_force
from tests.harness.internals import database_of
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.conftest import KEY
from tests.unit.core.policy_register.test_policy_register import LAX, STRICT, opened, version, with_file
from vpsops.cli.policy.uptake import NO_PROCESS, report_uptake, uptake_lines
from vpsops.core.config.settings import Settings
from vpsops.core.policy_register.diagnostics import ProcessPolicy
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.fixture
def settings(provider: SimulatorHandle, tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {
            "WAYSCLOUD_API_KEY": KEY,
            "WAYSCLOUD_API_URL": provider.url,
            "VPSOPS_DATABASE_URL": f"sqlite:///{tmp_path / 'vpsops.sqlite3'}",
        }
    )


@pytest.mark.requirement("apply-says-who-took-it")
async def test_processes_that_took_it_are_named_and_those_that_did_not(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two share the file that is applied, one has its own; nobody is restarted."""
    path = tmp_path / "shared.toml"
    shared, own = with_file(settings, path, LAX), with_file(settings, tmp_path / "own.toml", LAX)
    async with opened(shared, "worker") as first, opened(shared, "slack"), opened(own, "worker"):
        path.write_text(STRICT)
        await put_in_force(database_of(first), shared)
        await report_uptake(database_of(first), await version(first), VirtualClock())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Taken by 2 of 3 processes: ")
    assert "slack-" in lines[0]
    assert len(lines) == 2
    assert lines[1].startswith("Not taken by worker-")
    assert f"from {tmp_path / 'own.toml'}" in lines[1]


def test_what_a_heartbeat_says_is_fitted_into_its_line() -> None:
    """Ids and sources are from the database; none living is said too."""
    assert uptake_lines([], "pol_1") == [NO_PROCESS]
    lines = uptake_lines([ProcessPolicy("w\x1b[2J-1\n", "", "")], "pol_1")
    assert lines[0] == "Taken by 0 of 1 processes."
    assert "\x1b" not in lines[1]
    assert "none that it could read, from its environment" in lines[1]
