"""Check the licences of an environment of tools: `python -m tests.packaging.licences LOCK FOLDER`."""

import sys
from pathlib import Path

from tests.packaging.licences.allow_list import ADVICE, TOOLS, faults
from tests.packaging.licences.package_metadata import installed


def main() -> int:
    """Return 1, and name each package, where a licence is not allowed."""
    lock, folder = map(Path, sys.argv[1:])
    wrong = list(faults(lock, installed(folder), TOOLS))
    if wrong:
        sys.stderr.write("\n".join([*wrong, ADVICE, ""]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
