"""What runs: the version and the commit that it was built from, Python, and the SDKs."""

import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Final

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


def build_commit() -> str:
    """Return the commit that a build put beside the package; a checkout has none."""
    try:
        text = files("vpsops").joinpath(COMMIT_FILE).read_text(encoding="ascii")
    except (OSError, ValueError):
        return UNKNOWN
    return text.strip()[:LONGEST] or UNKNOWN


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
