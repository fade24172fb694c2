"""Build the distributions and list what is in them."""

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
TOP_LEVEL: Final = frozenset({"vpsops"})
"""What a wheel may put beside other packages: one import root, so that no other `core` can shadow it."""
PLAYGROUND: Final = "vpsops/playground/"
"""Where the second distribution lives; the first has nothing there."""


def build_wheel(folder: Path, project: Path = ROOT, environ: Mapping[str, str] | None = None) -> Path:
    """Build a project's wheel into an empty folder, with the build backend that is installed."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(project)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environ)
    (wheel,) = folder.glob("vpsops*.whl")
    return wheel


def build_both(folder: Path, project: Path = ROOT, environ: Mapping[str, str] | None = None) -> tuple[Path, Path]:
    """Build a project's sdist and wheel into an empty folder, by the build backend itself."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=project, check=True, env=environ, capture_output=True)
    (sdist,), (wheel,) = folder.glob("vpsops*.tar.gz"), folder.glob("vpsops*.whl")
    return sdist, wheel


def wheel_from_sdist(sdist: Path, folder: Path, environ: Mapping[str, str] | None = None) -> Path:
    """Unpack an sdist into an empty folder, and build its wheel there."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return build_wheel(folder / "wheel", next(folder.iterdir()), environ)


def metadata_of(wheel: Path) -> Message:
    """Return the metadata that an index would show."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def members(wheel: Path) -> list[str]:
    """Return the paths of the files that a wheel installs, without its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if ".dist-info/" not in name and ".data/" not in name]


def top_level_names(wheel: Path) -> frozenset[str]:
    """Return the names that a wheel puts into `site-packages`."""
    return frozenset(name.split("/")[0] for name in members(wheel))
