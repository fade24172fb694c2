"""What a release consists of beside its image: distributions, bundle, chart, bill of materials, checksums.

Each is checked by the tool that reads it elsewhere. What is wrong raises `ReleaseError`.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.harness.repository import ROOT
from tests.packaging.release.archives import write_tar
from tests.packaging.release.errors import ReleaseError
from tests.packaging.release.source import ReleaseSource
from tests.packaging.wheel import build_both, wheel_from_sdist

CHECKSUMS: Final = "SHA256SUMS"
ENVIRONMENTS: Final = Path(sys.prefix)
"""The virtual environment that runs this; the tools have theirs in it."""
CHART: Final = Path("packaging/helm/vpsops")


def build_distributions(source: ReleaseSource, into: Path) -> Path:
    """Write wheel and sdist of both distributions, and return the product's wheel."""
    wheels = []
    with tempfile.TemporaryDirectory() as name:
        for project in (source.tree, source.tree / "playground"):
            folder = Path(name, project.name)
            sdist, wheel = build_both(folder, project, source.environment())
            again = wheel_from_sdist(sdist, folder / "unpacked", source.environment())
            if again.read_bytes() != wheel.read_bytes():
                raise ReleaseError(f"{sdist.name} makes another wheel than the commit does.")
            run(sys.executable, "-m", "twine", "check", "--strict", str(sdist), str(wheel))
            shutil.copy(sdist, into)
            wheels.append(Path(shutil.copy(wheel, into)))
    return wheels[0]


def write_chart(source: ReleaseSource, into: Path) -> None:
    """Write the chart as `helm package` names it, and have Helm's own engine read it."""
    chart = into / f"vpsops-{source.version}.tgz"
    write_tar(source.tree / CHART, chart, source.epoch, "vpsops/")
    script = str(ROOT / "tests/packaging/containers/checks.py")
    run(str(ENVIRONMENTS / "containers/bin/python"), script, "--chart", str(chart))


def write_bill(source: ReleaseSource, into: Path) -> None:
    """Write the CycloneDX bill of materials of an environment with what run.txt locks; its tool validates it."""
    with tempfile.TemporaryDirectory() as name:
        python = str(Path(name, "bin", "python"))
        run(sys.executable, "-m", "venv", "--without-pip", name)
        locked = ("--no-deps", "--require-hashes", "--requirement", str(source.tree / "requirements/run.txt"))
        pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "--no-compile", *locked)
        words = ("environment", "--pyproject", str(source.tree / "pyproject.toml"), "--mc-type", "application")
        target = (
            "--output-reproducible",
            "--validate",
            "--output-file",
            str(into / f"vpsops-{source.version}.cdx.json"),
        )
        tool = str(ENVIRONMENTS / "release/bin/cyclonedx-py")
        run(tool, *words, *target, python, environ=source.environment())


def write_checksums(folder: Path) -> None:
    """Write the SHA-256 of every file, as `sha256sum --check` reads it."""
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="ascii")


def run(*words: str, environ: Mapping[str, str] | None = None) -> None:
    """Run a tool. Raises `ReleaseError` with what it wrote where it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=environ)
    except OSError as error:
        raise ReleaseError(f"{words[0]}: {error.strerror}. `make release` installs its tools.") from error
    if done.returncode:
        raise ReleaseError(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
