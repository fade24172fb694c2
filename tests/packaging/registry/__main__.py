"""Pack the bundle that hosts install: `make bundle`. Its own tool from npm checks the manifest and packs it."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.harness.repository import ROOT
from tests.packaging.registry.entries import bundle_project, project
from tests.packaging.wheel import build_wheel

SOURCE: Final = ROOT / "packaging" / "registry"
TOOL: Final = "@anthropic-ai/mcpb@2.1.2"
BUILD: Final = ROOT / "build"
INSTALL: Final = ("npm", "install", "--silent", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix")


def main() -> int:
    """Write build/vpsops-VERSION.mcpb; return 1 where the tool refuses it, 2 where there is no npm."""
    if shutil.which("npm") is None:
        sys.stderr.write("npm is needed to install the bundle's own tool\n")
        return 2
    tool = BUILD / "mcpb"
    subprocess.run([*INSTALL, str(tool), TOOL], check=True)
    mcpb = str(tool / "node_modules" / ".bin" / "mcpb")
    bundle = BUILD / f"vpsops-{project()['version']}.mcpb"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder)
        for words in (("validate", str(folder / "manifest.json")), ("pack", str(folder), str(bundle))):
            if subprocess.run([mcpb, *words], check=False).returncode:
                return 1
    return subprocess.run([mcpb, "info", str(bundle)], check=False).returncode


def fill(folder: Path) -> None:
    """Put into an empty folder what the bundle holds: the manifest, the start, the wheel, and a project around it."""
    with tempfile.TemporaryDirectory() as name:
        wheel = shutil.copy(build_wheel(Path(name)), folder)
    for file in ("manifest.json", "start.py"):
        shutil.copy(SOURCE / file, folder)
    (folder / "pyproject.toml").write_text(bundle_project(Path(wheel).name), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
