"""Programs of other projects: a test that needs one is skipped without it at a desk, and fails in CI."""

import os
import shutil

import pytest


def is_missing(program: str) -> bool:
    """Return whether a test that needs a program is to be skipped; in CI it is not, and so fails."""
    return shutil.which(program) is None and not os.environ.get("CI")


def needs_program(program: str, package: str) -> pytest.MarkDecorator:
    """Return the mark of a test that needs a program, with the Debian package that brings it."""
    return pytest.mark.skipif(is_missing(program), reason=f"{program} is not installed (Debian: {package})")
