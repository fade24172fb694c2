"""The wheel beside strangers: it owns one import name, so no other `core`, `bot` or `playground` can be in its way."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.packaging.wheel import PLAYGROUND, ROOT, TOP_LEVEL, build_wheel, members, top_level_names

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


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("playground"), ROOT / "playground")


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


def tracked(*folders: str) -> set[str]:
    """Return the paths that a wheel gives the files of these folders."""
    listed = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return {f"vpsops/{name}" for name in listed.stdout.split()}


@pytest.mark.requirement("playground-is-an-extra")
def test_each_wheel_has_its_own_files_under_one_top_level_name(wheel: Path, playground: Path) -> None:
    """Real files, with the data that is read beside the modules; no file is in both."""
    assert top_level_names(wheel) == top_level_names(playground) == TOP_LEVEL
    product, simulators = set(members(wheel)), set(members(playground))
    assert tracked("core", "bot", "mcp_server") | {"vpsops/py.typed", "vpsops/build_commit.txt"} <= product
    assert tracked("playground") - {"vpsops/playground/pyproject.toml"} == simulators
    assert not [name for name in product if name.startswith(PLAYGROUND)]


def test_both_distributions_have_one_version_and_name_each_other() -> None:
    """The extra brings the simulators of the same version, and they the product that they import."""
    product = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    simulators = tomllib.loads((ROOT / "playground" / "pyproject.toml").read_text("utf-8"))["project"]
    assert simulators["version"] == product["version"]
    assert product["optional-dependencies"]["playground"] == [f"vpsops-playground=={product['version']}"]
    assert simulators["dependencies"] == [f"vpsops=={product['version']}"]


@pytest.mark.requirement("playground-is-an-extra")
@pytest.mark.parametrize("command", ["demo", "playground", "simulator"])
def test_without_the_extra_a_command_says_in_one_line_how_to_get_it(
    wheel: Path, playground: Path, installation: Installation, command: str
) -> None:
    """The product works without it; the second wheel alone is what was missing."""
    installation.install(wheel)
    refused = installation.run(command)
    assert refused.returncode != 0
    assert refused.stderr.count("\n") == 1
    assert 'pip install "vpsops[playground]"' in refused.stderr
    assert installation.run("policy", "check").returncode == 0
    installation.install(playground)
    described = installation.run(command, "--help")
    assert described.returncode == 0, described.stderr


@pytest.mark.parametrize("extra", [False, True], ids=["without the playground", "with it"])
@pytest.mark.requirement("one-import-root")
def test_a_strangers_packages_of_our_old_names_change_nothing(
    wheel: Path, playground: Path, installation: Installation, tmp_path: Path, extra: bool
) -> None:
    """Installed before or after, uninstalled again, and from a folder with a `core` of its own."""
    before = installation.install(stranger(tmp_path, "core"))
    ours = installation.install(wheel) + (installation.install(playground) if extra else [])
    for name in STRANGERS[1:]:
        installation.install(stranger(tmp_path, name))
    assert installation.origin("vpsops.core") == str(installation.packages / "vpsops" / "core" / "__init__.py")
    listed = installation.run("policy", "check")
    assert listed.returncode == 0, listed.stderr
    for path in before:  # what uninstalling the stranger removes
        path.unlink()
    assert all(path.exists() for path in ours)
    named = installation.run("--version")
    assert re.match(r"vpsops \S+ \(commit [0-9a-f]{12}(-dirty)?\)\n", named.stdout), named.stdout
    helped = installation.run("--help")
    assert helped.returncode == 0, helped.stderr
    assert "doctor" in helped.stdout
