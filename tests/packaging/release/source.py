"""The commit that a release is made of, as files of their own: nothing of the checkout that is not in it gets in."""

import io
import os
import re
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.packaging.release.errors import ReleaseError
from tests.packaging.release.versions import NUMBER, version

SHOWN_FILES: Final = 5


@dataclass(frozen=True)
class ReleaseSource:
    """A commit's files, and what the builds have to know of it; `epoch` is the commit's time in seconds."""

    tree: Path
    version: str
    commit: str
    epoch: int

    def environment(self) -> Mapping[str, str]:
        """Return the environment of every build: the commit and its time in place of today's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return kept | {
            "SOURCE_DATE_EPOCH": str(self.epoch),
            "BUILD_COMMIT": self.commit,
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
        }


def export_commit(root: Path, folder: Path) -> ReleaseSource:
    """Put the files of the commit into an empty folder. Raises `ReleaseError` where the checkout is another."""
    altered = _git(root, "status", "--porcelain").decode().splitlines()
    if altered:
        names = ", ".join(line[3:] for line in altered[:SHOWN_FILES])
        raise ReleaseError(f"The checkout is not the commit: {names} (git status). Commit, or remove what is there.")
    if not re.fullmatch(NUMBER, version()):
        raise ReleaseError(f"The version {version()} of pyproject.toml is not three numbers.")
    with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", "--format=tar", "HEAD"))) as archive:
        archive.extractall(folder, filter="data")  # which takes rights from others, whatever the umask
    commit = _git(root, "rev-parse", "--short=12", "HEAD").decode().strip()
    epoch = int(_git(root, "show", "--no-patch", "--format=%ct", "HEAD").decode())
    return ReleaseSource(folder, version(), commit, epoch)


def _git(root: Path, *words: str) -> bytes:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, check=False)
    if done.returncode:
        raise ReleaseError(f"git {words[0]}: {done.stderr.decode().strip()}")
    return done.stdout
