"""What the conformance runner makes of a suite's records."""

import json
from pathlib import Path

from tests.conformance.suites import Suite, read

SUITE = Suite("conformance-next", "two scenarios", (), 2)
GOOD = {"id": "a", "status": "SUCCESS"}
WARNING = {"id": "b", "status": "WARNING", "errorMessage": "it is recommended"}
BAD = {"id": "c", "status": "FAILURE", "errorMessage": "it is not so"}


def record(out: Path, scenario: str, *checks: dict[str, str]) -> None:
    path = out / f"server-{scenario}-2026-11-24T12-27-01-001Z" / "checks.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(checks), encoding="utf-8")


def test_all_scenarios_without_a_failure_are_good(tmp_path: Path) -> None:
    """Warnings are reported and do not fail a run."""
    record(tmp_path, "tools-list", GOOD)
    record(tmp_path, "ping", GOOD, WARNING)
    outcome = read(SUITE, tmp_path, 0, "")
    assert outcome.is_good
    assert (outcome.passed, outcome.checks) == (2, 2)
    assert outcome.warnings == ("ping: b: it is recommended",)


def test_a_failed_check_fails_its_scenario(tmp_path: Path) -> None:
    """The line names the scenario, the check and why."""
    record(tmp_path, "tools-list", GOOD, BAD)
    record(tmp_path, "ping", GOOD)
    outcome = read(SUITE, tmp_path, 0, "")
    assert not outcome.is_good
    assert (outcome.passed, outcome.failures) == (1, ("tools-list: c: it is not so",))


def test_a_scenario_that_was_not_run_fails(tmp_path: Path) -> None:
    """A suite that leaves something out, or ends badly, has not passed."""
    record(tmp_path, "tools-list", GOOD)
    assert not read(SUITE, tmp_path, 0, "").is_good
    record(tmp_path, "ping", GOOD)
    assert read(SUITE, tmp_path, 0, "").is_good
    assert not read(SUITE, tmp_path, 1, "").is_good
