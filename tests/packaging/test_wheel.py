"""The wheel beside strangers: it owns one import name, so no other `core`, `bot` or `playground` can be in its way."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.packaging.wheel import ROOT, TOP_LEVEL, build_wheel, members, top_level_names

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
STRANGERS = ("core", "bot", "playground")


@dataclass(frozen=True)
class Installation:
    """A folder that wheels are unpacked into, before everything else on the path."""

    packages: Path
    elsewhere: Path

    def install(self, wheel: Path) -> list[Path]:
        """Unpack a wheel as an installer does, and return its files."""
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.packages)
        return [self.packages / name for name in members(wheel)]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the installed console script from another folder."""
        command = [sys.executable, "-m", "vpsops", *words]
        return subprocess.run(
            command,
            cwd=self.elsewhere,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def origin(self, module: str) -> str:
        """Return where a module is loaded from."""
        program = f"import {module}; print({module}.__file__)"
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=self.elsewhere,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def _environment(self) -> Mapping[str, str]:
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.packages), "HOME": str(self.elsewhere)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    packages, elsewhere = tmp_path / "packages", tmp_path / "project"
    packages.mkdir()
    (elsewhere / "core").mkdir(parents=True)
    (elsewhere / "core" / "__init__.py").write_text(
        "raise ImportError('this is the core of another project')\n", "utf-8"
    )
    return Installation(packages, elsewhere)


def stranger(folder: Path, name: str) -> Path:
    """Make a foreign wheel with a package by this name."""
    path = folder / f"stranger_{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", f"OWNER = 'stranger {name}'\n")
        archive.writestr(
            f"stranger_{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: stranger-{name}\nVersion: 1.0\n"
        )
    return path


def test_the_wheel_has_one_top_level_name(wheel: Path) -> None:
    """And real files in it, with the data that the product reads beside its modules."""
    assert top_level_names(wheel) == TOP_LEVEL
    files = set(members(wheel))
    tracked = subprocess.run(
        ["git", "ls-files", "core", "bot", "mcp_server", "playground"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert {f"vpsops/{name}" for name in tracked} <= files


@pytest.mark.requirement("one-import-root")
def test_a_strangers_packages_of_our_old_names_change_nothing(
    wheel: Path, installation: Installation, tmp_path: Path
) -> None:
    """Installed before or after, uninstalled again, and from a folder with a `core` of its own."""
    before = installation.install(stranger(tmp_path, "core"))
    ours = installation.install(wheel)
    for name in STRANGERS[1:]:
        installation.install(stranger(tmp_path, name))
    assert installation.origin("vpsops.core") == str(installation.packages / "vpsops" / "core" / "__init__.py")
    listed = installation.run("policy", "check")
    assert listed.returncode == 0, listed.stderr
    for path in before:  # what uninstalling the stranger removes
        path.unlink()
    assert all(path.exists() for path in ours)
    helped = installation.run("--help")
    assert helped.returncode == 0, helped.stderr
    assert "doctor" in helped.stdout
