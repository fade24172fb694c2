"""The bundle that hosts install. Its own tool from npm checks the manifest and packs it."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.harness.repository import ROOT
from tests.packaging.registry.entries import bundle_project
from tests.packaging.release.archives import normalise_zip
from tests.packaging.release.errors import ReleaseError

SOURCE: Final = Path("packaging/registry")
TOOL: Final = "@anthropic-ai/mcpb@2.1.2"
BUILD: Final = ROOT / "build"
INSTALL: Final = ("npm", "install", "--silent", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix")


def pack_bundle(tree: Path, wheel: Path, bundle: Path, epoch: int) -> str:
    """Write the bundle of a wheel, with one time for its files, and return what its tool says of it.

    Raises `ReleaseError` where there is no npm, or where the tool refuses the bundle.
    """
    if shutil.which("npm") is None:
        raise ReleaseError("npm is needed: it installs the bundle's own tool.")
    tool = BUILD / "mcpb"
    _run(*INSTALL, str(tool), TOOL)
    mcpb = str(tool / "node_modules" / ".bin" / "mcpb")
    with tempfile.TemporaryDirectory() as name:
        folder, packed = Path(name, "bundle"), Path(name, "packed.mcpb")
        _fill(folder, tree, wheel)
        _run(mcpb, "validate", str(folder / "manifest.json"))
        _run(mcpb, "pack", str(folder), str(packed))
        normalise_zip(packed, bundle, epoch)
    return _run(mcpb, "info", str(bundle))


def _fill(folder: Path, tree: Path, wheel: Path) -> None:
    """Make the folder of what the bundle holds: the manifest, the start, the wheel, and a project around it."""
    folder.mkdir()
    for file in (tree / SOURCE / "manifest.json", tree / SOURCE / "start.py", wheel):
        shutil.copy(file, folder)
    (folder / "pyproject.toml").write_text(bundle_project(wheel.name), encoding="utf-8")


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout
