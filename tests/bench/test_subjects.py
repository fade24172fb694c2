"""Every benchmark that is quick enough runs in small, so that one that no longer runs is noticed before a release."""

import subprocess
import sys
from typing import Final

import pytest

from tests.bench.__main__ import SUBJECTS
from tests.docs.generate import ROOT
from tests.harness.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.real_time]

LEFT_OUT: Final = {
    "cold": "it starts sixteen processes in turns",
    "first_value": "it installs from the package index, as test_install does",
    "front": "it attacks a server for seconds, as tests/adversary/network/test_floods.py does",
    "mcp": "it starts two dozen processes in turns",
    "plans": "it starts a dozen processes, and Slack's pace bounds what they post",
    "replicas": "it starts a dozen processes, and kills some",
    "slack": "it puts five apps under load in turns",
    "socket_mode": "it puts four apps under load in turns",
    "takeover": "its processes wait for each other's leases to end",
}
"""What takes more than half a minute in small, and why."""
QUICK: Final = [name for name in SUBJECTS if name not in LEFT_OUT]
TEN_MINUTES: Final = 10 * PATIENCE_SECONDS


def test_subjects_that_are_left_out_are_there() -> None:
    assert set(LEFT_OUT) < set(SUBJECTS)


@pytest.mark.parametrize("name", QUICK)
def test_a_benchmark_measures_in_small(name: str) -> None:
    """It ends well, prints a table with figures in it, and writes no page."""
    page = (ROOT / "docs" / "benchmarks.md").read_bytes()
    command = [sys.executable, "-m", "tests.bench", "--quick", "--only", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TEN_MINUTES, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.lstrip().startswith("## ")
    assert any(line.startswith("| ") and any(map(str.isdigit, line)) for line in done.stdout.splitlines())
    assert (ROOT / "docs" / "benchmarks.md").read_bytes() == page
