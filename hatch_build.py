"""Puts the commit that a wheel or sdist was built from into it, where `vpsops --version` reads it."""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "vpsops/build_commit.txt"
GIVEN = "BUILD_COMMIT"
COMMIT = re.compile(r"[0-9a-f]{7,40}(-dirty)?")


class CommitHook(BuildHookInterface):  # type: ignore[type-arg] # the plain interface is all that is needed
    """Writes the commit, unless this is an sdist, which has it, or no checkout."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Include a file with the commit, in a wheel always as its last one: an sdist makes the checkout's bytes."""
        if version == "editable":
            return
        kept = Path(self.root, NAME)
        if kept.exists():
            if self.target_name == "wheel":  # whose selection leaves it out
                build_data["force_include"][str(kept)] = NAME
            return
        commit = commit_of(Path(self.root)) or given_commit(os.environ)
        if not commit:
            return
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name, "build_commit.txt")
        path.write_text(f"{commit}\n", encoding="utf-8")
        build_data["force_include"][str(path)] = NAME

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - a hook's
        """Remove the file that was included."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def commit_of(root: Path) -> str:
    """Return the commit of a checkout, marked where it was altered since; nothing for another folder."""
    if _git(root, "rev-parse", "--show-toplevel") != str(root.resolve()):
        return ""
    return _git(root, "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*")


def given_commit(environ: Mapping[str, str]) -> str:
    """Return the commit that is named where there is no checkout, as in the build of an image; no other words."""
    commit = environ.get(GIVEN, "")
    return commit if COMMIT.fullmatch(commit) else ""


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
