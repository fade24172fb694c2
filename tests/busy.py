"""Run a command beside a busy loop: `python -m tests.busy make test`. Exits with the command's own code."""

import multiprocessing
import subprocess
import sys


def spin() -> None:
    """Keep a core busy until ended."""
    while True:
        pass


def main(command: list[str]) -> int:
    """Run `command` while the loop runs, and end the loop."""
    loop = multiprocessing.Process(target=spin, daemon=True)
    loop.start()
    try:
        return subprocess.run(command, check=False).returncode
    finally:
        loop.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
