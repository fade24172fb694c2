"""What runs: the version and the commit that it was built from, Python, and the SDKs."""

import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Final

from vpsops.core.common.timings import GIT_SECONDS

UNKNOWN: Final = "unknown"
COMMIT_FILE: Final = "build_commit.txt"
SDKS: Final = {
    "MCP SDK": "mcp",
    "Slack Bolt": "slack-bolt",
    "Slack SDK": "slack-sdk",
    "SQLAlchemy": "sqlalchemy",
    "OpenTelemetry SDK": "opentelemetry-sdk",
}
LONGEST: Final = 80
COMMIT: Final = re.compile(r"[0-9a-f]{7,40}(-dirty)?")


def build_commit() -> str:
    """Return the commit that a build put beside the package, or that of the checkout that runs."""
    package = files("vpsops")
    try:
        text = package.joinpath(COMMIT_FILE).read_text(encoding="ascii")
    except FileNotFoundError:
        return checkout_commit(Path(str(package)).parent) or UNKNOWN
    except (OSError, ValueError):
        return UNKNOWN
    return text.strip()[:LONGEST] or UNKNOWN


def checkout_commit(root: Path) -> str:
    """Return the commit of a checkout, marked where files were altered since, or "" for another folder."""
    if not (root / ".git").exists():
        return ""
    words = ["git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False, timeout=GIT_SECONDS)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    commit = done.stdout.strip()
    return commit if done.returncode == 0 and COMMIT.fullmatch(commit) else ""


def version_text() -> str:
    """Return the lines of `vpsops --version`."""
    lines = [f"vpsops {_version('vpsops')} (commit {build_commit()})", f"Python {platform.python_version()}"]
    sdks = [f"{name} {known}" for name, package in SDKS.items() if (known := _version(package)) != UNKNOWN]
    return "\n".join([*lines, *sdks])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return UNKNOWN
