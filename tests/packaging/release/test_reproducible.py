"""A release from two copies of the commit, at other paths, times and rights: the same bytes, and each of them whole.

The image is left out: `make containers` compares two builds of it.
"""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.repository import ROOT
from tests.packaging.release.artifacts import CHECKSUMS
from tests.packaging.release.versions import version

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
TEN_MINUTES = 10 * PATIENCE_SECONDS
OTHER_DAY = 1_500_000_000


def released(place: Path, environ: Mapping[str, str], umask: int) -> Path:
    """Clone this checkout's commit, make a release there, and return its folder."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(place)], check=True)
    for path in place.rglob("*"):
        if path.is_file() and ".git" not in path.parts and not path.is_symlink():
            os.utime(path, (OTHER_DAY + umask, OTHER_DAY + umask))
    command = [sys.executable, "-m", "tests.packaging.release", "--unreleased", "--no-image", "dist"]
    done = subprocess.run(
        command,
        cwd=place,
        env={**os.environ, **environ},
        umask=umask,
        capture_output=True,
        text=True,
        timeout=TEN_MINUTES,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "dist"


@pytest.mark.requirement("release-reproducible")
def test_two_copies_of_a_commit_make_the_same_bytes(tmp_path: Path) -> None:
    first = released(tmp_path / "one", {"TZ": "UTC"}, 0o022)
    second = released(tmp_path / "a longer path" / "two", {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}, 0o077)
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    assert [name for name in names if (first / name).read_bytes() != (second / name).read_bytes()] == []
    assert names == [
        CHECKSUMS,
        f"vpsops-{version()}-notes.md",
        f"vpsops-{version()}-py3-none-any.whl",
        f"vpsops-{version()}.cdx.json",
        f"vpsops-{version()}.mcpb",
        f"vpsops-{version()}.tar.gz",
        f"vpsops-{version()}.tgz",
        f"vpsops_playground-{version()}-py3-none-any.whl",
        f"vpsops_playground-{version()}.tar.gz",
    ]
    _check_contents(first)


def _check_contents(folder: Path) -> None:
    """Check the sums, that the bundle holds the wheel, and that the bill of materials has what run.txt locks."""
    for line in (folder / CHECKSUMS).read_text("ascii").splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    wheel = folder / f"vpsops-{version()}-py3-none-any.whl"
    with zipfile.ZipFile(folder / f"vpsops-{version()}.mcpb") as bundle:
        assert bundle.read(wheel.name) == wheel.read_bytes()
    text = (folder / f"vpsops-{version()}.cdx.json").read_text("utf-8")
    bill = json.loads(text)
    assert bill["metadata"]["component"]["version"] == version()
    purls = {component["purl"] for component in bill["components"]}
    locked = (ROOT / "requirements/run.txt").read_text("utf-8")
    assert len(purls) > 50
    assert [purl for purl in purls if f"{purl.removeprefix('pkg:pypi/').replace('@', '==')} " not in locked] == []
    assert str(folder.parent) not in text
