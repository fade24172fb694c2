"""Whether the installed package is still the one that this process began with.

A process that only reads loads the rest of the package with its first change. Where the package was replaced in
between, that would be code of two versions in one process.
"""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from vpsops.core.common.errors import ConfigurationError

PACKAGE: Final = "vpsops"
COMMIT: Final = Path(__file__).resolve().parents[2] / "build_commit.txt"
"""The commit that a build put into the package; a checkout has none."""


class UpgradedError(ConfigurationError):
    """Another version of vpsops was installed since this process began."""


def installed_release() -> str:
    """Return the version that is installed now, with its commit where that is known."""
    try:
        number = version(PACKAGE)
    except PackageNotFoundError:
        number = "no version"
    try:
        commit = COMMIT.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return number
    return f"{number} ({commit[:12]})"


def check_release(begun: str) -> None:
    """Raise `UpgradedError` unless the installed release is the one that the process began with."""
    now = installed_release()
    if now != begun:
        raise UpgradedError(
            f"vpsops was replaced on this machine since this process began: {now} is installed, and {begun} runs here.",
            hint="Restart this process; until then it only reads. An assistant's host restarts it with a new session.",
        )
