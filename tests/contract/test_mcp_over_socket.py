"""The tests of the server object once more, with a service on a Unix socket between it and the client."""

import os
import subprocess
import sys

import pytest

from tests.harness.repository import ROOT
from tests.unit.mcp_server.harness import TRANSPORT

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
FOLDER = "tests/unit/mcp_server"
FILES = (
    "test_old_era.py",
    "test_new_era.py",
    "test_confirmations.py",
    "test_approvals.py",
    "test_reads.py",
    "test_agent_pause.py",
    "protocol/test_tasks.py",
    "tools/test_task_notifications.py",
)
ELSEWHERE = (
    "test_old_era.py::test_a_client_that_leaves_withdraws_its_change",  # here the service ends with its client
    "test_confirmations.py::test_the_actor_is_the_client_for_its_human",  # here it carries the user's id
)
"""What is another matter on a socket: `tests/unit/mcp_server/unix_socket/test_service.py` has both."""


def test_the_server_behaves_the_same_behind_a_socket() -> None:
    """Both eras: reads, questions, tasks, notifications and refusals."""
    deselected = [f"--deselect={FOLDER}/{name}" for name in ELSEWHERE]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "not slow", *deselected, *(f"{FOLDER}/{name}" for name in FILES)],
        cwd=ROOT,
        env={**os.environ, TRANSPORT: "socket"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
