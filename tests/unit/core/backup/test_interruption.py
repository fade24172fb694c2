"""A restore whose process ends in the middle of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.storage.databases import migrated
from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.core.backup.backups import backed_up, contents, made

PROGRAM = """
import sys
from vpsops.cli.main import main
from vpsops.core.backup import restoration

def wait(*_):
    sys.stdout.write("copied\\n")
    sys.stdout.flush()
    sys.stdin.read()

restoration.close_open_changes = wait
sys.exit(main(["restore", sys.argv[1]]))
"""


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.requirement("restore-is-whole")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_is_ended_takes_its_restore_back(
    empty_database_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    """Every row was in the database by then, and none of them counts; a second try does."""
    source, path = migrated(tmp_path / "source.sqlite3"), tmp_path / "db.backup"
    made(source)
    backed_up(source, path)
    environ = {**os.environ, "VPSOPS_DATABASE_URL": empty_database_url, "VPSOPS_ACTOR": "ann@example.com"}
    command = [sys.executable, "-c", PROGRAM, str(path)]
    process = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout
        assert any(line == "copied\n" for line in iter(process.stdout.readline, ""))
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) != 0
    assert contents(empty_database_url)["changes"] == []
    again = subprocess.run(
        [sys.executable, "-m", "vpsops", "restore", str(path)], env=environ, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert [row["state"] for row in contents(empty_database_url)["changes"]] == ["superseded"]
