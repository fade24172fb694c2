"""Check what the two wheels hold: `python -m tests.packaging`."""

import sys
import tempfile
from pathlib import Path

from tests.packaging.wheel import PLAYGROUND, ROOT, TOP_LEVEL, build_wheel, members, top_level_names


def main() -> int:
    """Build both wheels; return 1 where one would install another top-level name, or a file of the other."""
    with tempfile.TemporaryDirectory() as folder:
        product = build_wheel(Path(folder, "product"))
        playground = build_wheel(Path(folder, "playground"), ROOT / "playground")
        names = top_level_names(product) | top_level_names(playground)
        misplaced = [name for name in members(product) if name.startswith(PLAYGROUND)]
        misplaced += [name for name in members(playground) if not name.startswith(PLAYGROUND)]
    if names != TOP_LEVEL:
        sys.stderr.write(f"The wheels install {', '.join(sorted(names))}; they may install only vpsops.\n")
        return 1
    if misplaced:
        sys.stderr.write(f"In the wrong wheel: {', '.join(misplaced)}.\n")
        return 1
    sys.stdout.write("Both wheels have one top-level name, vpsops, and vpsops/playground is in the second alone.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
