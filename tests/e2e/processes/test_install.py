"""The install of the README as it is written, from the package index, every file by its hash."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.docs.generate import ROOT
from tests.harness.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.real_time]

PLACE = "/opt/vpsops"
TEN_MINUTES = 10 * PATIENCE_SECONDS


def commands() -> list[str]:
    """Return the lines of the README that install vpsops on a machine of its own."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith((f"{PLACE}/bin/pip", f"python3 -m venv {PLACE}"))]


def run(command: str, place: Path) -> str:
    """Run a line, in its place of this test's own, and return what it wrote."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTHON"))}
    done = subprocess.run(
        command.replace(PLACE, str(place)).split(),
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=TEN_MINUTES,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.requirement("install-locked")
def test_the_readmes_install_runs_and_takes_hashes_alone(tmp_path: Path) -> None:
    """A virtual environment, the pinned packages, vpsops itself; its command works with nothing else there."""
    made, pinned, own = commands()
    assert "--require-hashes" in pinned
    assert "--no-deps" in own
    assert "--no-build-isolation" in own
    place = tmp_path / "vpsops"
    for command in (made, pinned, own):
        run(command, place)
    assert "usage: vpsops" in run(f"{place}/bin/vpsops --help", place)
    assert "good." in run(f"{place}/bin/vpsops policy check", place)
