"""Run a command beside busy loops: `python -m tests.busy make test`. Exits with the command's own code."""

import multiprocessing
import subprocess
import sys
from typing import Final

LOOPS: Final = 4


def spin() -> None:
    """Keep a core busy until ended."""
    while True:
        pass


def main(command: list[str]) -> int:
    """Run `command` while the loops run, and end the loops."""
    loops = [multiprocessing.Process(target=spin, daemon=True) for _ in range(LOOPS)]
    for loop in loops:
        loop.start()
    try:
        return subprocess.run(command, check=False).returncode
    finally:
        for loop in loops:
            loop.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
