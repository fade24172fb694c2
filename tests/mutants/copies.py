"""Whole copies of the tree: mutants are put into these, and never into the tree itself."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Final

from tests.docs.generate import ROOT
from tests.mutants.operators import Mutant

FAILED: Final = frozenset({1, 2, 4})
"""How pytest ends when a test fails, a module cannot be collected, or a conftest cannot be imported."""
COUNTED: Final = re.compile(rb"\d+ (failed|errors?)|^ImportError while loading conftest", re.MULTILINE)
"""What pytest says at its end: a Python without pytest in it ends with the same code as a test that fails."""
EPOCH: Final = 1_000_000_000


class MutantVerdict(StrEnum):
    """What the tests said of a copy of the tree."""

    PASSED = "passed"
    FAILED = "failed"
    ENDLESS = "endless"


class CopyError(Exception):
    """A copy cannot be tested: pytest itself did not work."""


@dataclass(frozen=True, slots=True)
class TreeCopy:
    """One copy of the tree. Each write has a time of its own, so that no stale bytecode is taken for it."""

    root: Path
    _times: Iterator[int] = field(default_factory=lambda: count(EPOCH, 10))

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """Hold a mutant for the time of the context."""
        source = (self.root / mutant.path).read_bytes()
        self._write(mutant.path, mutant.applied(source))
        try:
            yield
        finally:
            self._write(mutant.path, source)

    def _write(self, path: str, content: bytes) -> None:
        (self.root / path).write_bytes(content)
        at = next(self._times)
        os.utime(self.root / path, (at, at))

    def test(self, tests: Sequence[str], seconds: float) -> MutantVerdict:
        """Run tests until one fails; raises `CopyError` where pytest finds none or does not work."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", *tests]
        environment = {**os.environ, "PYTHONPATH": str(self.root), "PYTHONHASHSEED": "0"}
        with subprocess.Popen(
            command,
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                return MutantVerdict.ENDLESS
        if process.returncode == 0:
            return MutantVerdict.PASSED
        if process.returncode < 0 or (process.returncode in FAILED and COUNTED.search(output)):
            return MutantVerdict.FAILED
        raise CopyError(f"pytest ended with {process.returncode}: {output.decode(errors='replace')[-2000:]}")


@contextmanager
def copied(number: int) -> Iterator[TreeCopy]:
    """Make a copy of the tree as it stands, what is not committed yet included, and remove it at the end."""
    root = ROOT / "build" / "mutants" / f"copy-{number}"
    shutil.rmtree(root, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() or (ROOT / name).is_symlink():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name, follow_symlinks=False)
    try:
        _check_import(root)
        yield TreeCopy(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _check_import(root: Path) -> None:
    """Raise `CopyError` unless the copy's own modules are the ones that its tests import."""
    result = subprocess.run(
        [sys.executable, "-c", "from vpsops import core; print(core.__file__)"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        check=True,
        text=True,
    )
    if not result.stdout.startswith(str(root)):
        raise CopyError(f"the tests of a copy import {result.stdout.strip()}")
