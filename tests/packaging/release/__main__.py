"""Make a release of the commit that is checked out: `make release`; `make release-try` of what is unreleased."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.harness.repository import ROOT
from tests.packaging.registry.bundle import pack_bundle
from tests.packaging.release.artifacts import build_distributions, write_bill, write_chart, write_checksums
from tests.packaging.release.errors import ReleaseError
from tests.packaging.release.image import write_image
from tests.packaging.release.notes import UNRELEASED, release_notes
from tests.packaging.release.source import ReleaseSource, export_commit


def main(words: Sequence[str] | None = None) -> int:
    """Write the files; return 1, and leave the folder as it was, where one of them cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m tests.packaging.release", description=__doc__)
    parser.add_argument("folder", type=Path, help="replaced by the release")
    parser.add_argument("--unreleased", action="store_true", help="take the notes of what is unreleased, for a trial")
    parser.add_argument("--no-image", action="store_true", help="leave the image out")
    chosen = parser.parse_args(words)
    try:
        with tempfile.TemporaryDirectory() as name:
            made = Path(name, "release")
            made.mkdir()
            source = export_commit(ROOT, Path(name, "tree"))
            make_release(source, made, heading=UNRELEASED if chosen.unreleased else source.version)
            if not chosen.no_image:
                add_image(source, made)
            write_checksums(made)
            shutil.rmtree(chosen.folder, ignore_errors=True)
            shutil.copytree(made, chosen.folder)
    except (ReleaseError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"No release: {error}\n")
        return 1
    sys.stdout.write(f"vpsops {source.version} of {source.commit}, in {chosen.folder}:\n")
    sys.stdout.write((chosen.folder / "SHA256SUMS").read_text(encoding="ascii"))
    return 0


def make_release(source: ReleaseSource, folder: Path, heading: str) -> None:
    """Write all but the image; the notes first, as what is missing there is known at once."""
    notes = release_notes(source.tree, source.version, heading)
    (folder / f"vpsops-{source.version}-notes.md").write_text(notes, encoding="utf-8")
    wheel = build_distributions(source, folder)
    pack_bundle(source.tree, wheel, folder / f"vpsops-{source.version}.mcpb", source.epoch)
    write_chart(source, folder)
    write_bill(source, folder)


def add_image(source: ReleaseSource, folder: Path) -> None:
    """Write the image, or say what is missing for it."""
    missing = write_image(source, folder)
    if missing:
        sys.stdout.write(f"No image: it needs {', '.join(missing)}, from Debian.\n")


if __name__ == "__main__":
    sys.exit(main())
