"""Operations of each kind that the product does not know are built outside of it, and work in Slack and over MCP."""

import subprocess
import sys

import pytest

from tests.harness.repository import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.real_time]


@pytest.mark.requirement("operations-from-entries")
def test_an_entry_is_all_that_an_operation_needs() -> None:
    """Power-like, nested, removing, secret, before and after: from the typed words to the end that is shown."""
    words = ["-m", "pytest", "-q", "-n", "0", "-p", "tests.e2e.outside.entries", "tests/e2e/outside/both_front_ends.py"]
    command = [sys.executable, *words]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout[-4000:]
