"""Check that the wheel has one top-level name: `python -m tests.packaging`."""

import sys
import tempfile
from pathlib import Path

from tests.packaging.wheel import TOP_LEVEL, build_wheel, top_level_names


def main() -> int:
    """Build the wheel; return 1 where it would install another top-level name."""
    with tempfile.TemporaryDirectory() as folder:
        names = top_level_names(build_wheel(Path(folder)))
    if names != TOP_LEVEL:
        sys.stderr.write(f"The wheel installs {', '.join(sorted(names))}; it may install only vpsops.\n")
        return 1
    sys.stdout.write("The wheel has one top-level name, vpsops.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
