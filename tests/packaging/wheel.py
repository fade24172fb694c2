"""Build the wheel and list its top-level names."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
TOP_LEVEL: Final = frozenset({"vpsops"})
"""What a wheel may put beside other packages: one import root, so that no other `core` can shadow it."""
PLAYGROUND: Final = "vpsops/playground/"
"""Where the second distribution lives; the first has nothing there."""


def build_wheel(folder: Path, project: Path = ROOT) -> Path:
    """Build a project's wheel into an empty folder, with the build backend that is installed."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(project)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("vpsops*.whl")
    return wheel


def members(wheel: Path) -> list[str]:
    """Return the paths of the files that a wheel installs, without its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if ".dist-info/" not in name]


def top_level_names(wheel: Path) -> frozenset[str]:
    """Return the names that a wheel puts into `site-packages`."""
    return frozenset(name.split("/")[0] for name in members(wheel))
