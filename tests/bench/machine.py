"""What the figures were measured on: enough to compare, nothing that names the machine."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from tests.fakes.storage.postgres import binaries


def facts() -> dict[str, str]:
    """Return cores, processor, memory and versions."""
    return {
        "cores": str(os.cpu_count()),
        "processor": processor(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{system()}, {platform.system()} {kernel()}, {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "PostgreSQL": postgres(),
    }


def processor() -> str:
    """Return the processor's model."""
    path = Path("/proc/cpuinfo")
    match = re.search(r"^model name\s*:\s*(.+)$", path.read_text(), re.MULTILINE) if path.exists() else None
    return match[1].strip() if match else platform.processor() or "unknown"


def system() -> str:
    """Return the name and version of the operating system."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return sys.platform


def kernel() -> str:
    """Return the numbers of the kernel's version, without a builder's additions."""
    return (re.match(r"[\d.]+", platform.release()) or [""])[0].rstrip(".")


def postgres() -> str:
    """Return the version of PostgreSQL that is measured with."""
    folder = binaries()
    if folder is None:
        return "not installed"
    version = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"\d+(\.\d+)*", version)
    return match[0] if match else "unknown"
