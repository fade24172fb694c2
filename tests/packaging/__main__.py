"""Check what both distributions hold, and that an index takes them: `python -m tests.packaging`."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.packaging.wheel import PLAYGROUND, ROOT, TOP_LEVEL, build_both, members, top_level_names, wheel_from_sdist


def faults(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the sdists and the wheels."""
    built = [build_both(folder / name, project) for name, project in PROJECTS.items()]
    (_, product), (_, playground) = built
    names = top_level_names(product) | top_level_names(playground)
    if names != TOP_LEVEL:
        yield f"The wheels install {', '.join(sorted(names))}; they may install only vpsops."
    misplaced = [name for name in members(product) if name.startswith(PLAYGROUND)]
    misplaced += [name for name in members(playground) if not name.startswith(PLAYGROUND)]
    if misplaced:
        yield f"In the wrong wheel: {', '.join(misplaced)}."
    for sdist, wheel in built:
        again = wheel_from_sdist(sdist, folder / f"from {sdist.name}")
        differing = sorted(set(members(wheel)) ^ set(members(again)))
        if differing:
            yield f"A wheel from {sdist.name} differs in {len(differing)} files: {', '.join(differing[:5])}."
        yield from checked(["twine", "check", "--strict", str(sdist), str(wheel)])
        yield from checked(["check_wheel_contents", str(wheel)])


def checked(command: Sequence[str]) -> Iterator[str]:
    """Yield what a tool says against a file."""
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        yield done.stdout + done.stderr


PROJECTS = {"product": ROOT, "playground": ROOT / "playground"}


def main() -> int:
    """Build all; return 1 where something is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        wrong = list(faults(Path(folder)))
    for fault in wrong:
        sys.stderr.write(f"{fault}\n")
    if wrong:
        return 1
    sys.stdout.write(
        "Both distributions have one top-level name, vpsops, with vpsops/playground in the second alone; their sdists"
        " make the same wheels, and twine and check-wheel-contents find nothing.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
