"""Install the wheels into every other Python there is, and play the demonstration in it: `make interpreters`.

Hash-locked requirements, as the guide installs them, in two at once. One that is missing is taken from Debian's
unstable suite where that has it, and named where it has not. The one that runs this is left out: all other tests run
in it.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.packaging.interpreters.debian_root import make_root, root_failures
from tests.packaging.wheel import ROOT, build_wheel

SUPPORTED: Final = ("3.11", "3.12", "3.13", "3.14")
COMMANDS: Final = (["--version"], ["policy", "check"], ["demo"])
AT_ONCE: Final = 2
NUMBER: Final = re.compile(r"Python (3\.\d+)\.")


def interpreters() -> Mapping[str, Path]:
    """Return a Python of each supported version, by its version."""
    places = [Path(path) for name in SUPPORTED if (path := shutil.which(f"python{name}"))]
    places += sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"))
    return {version: place for place in places if (version := _version(place)) in SUPPORTED}


def _version(place: Path) -> str:
    done = subprocess.run([place, "--version"], capture_output=True, text=True, check=False)
    match = NUMBER.match(done.stdout)
    return match[1] if match else ""


def failures(place: Path, wheels: list[Path], folder: Path) -> Iterator[str]:
    """Install into an environment and yield what does not run in it."""
    subprocess.run([place, "-m", "venv", folder], check=True)
    python = str(folder / "bin/python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, "--require-hashes", "--requirement", ROOT / "requirements/run.txt"], check=True)
    subprocess.run([*pip, "--no-deps", *wheels], check=True)
    for words in (["-m", "pip", "check"], *(["-m", "vpsops", *command] for command in COMMANDS)):
        done = subprocess.run([python, *words], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            yield f"{' '.join(words)}: {(done.stderr or done.stdout)[-2000:]}"


def report(version: str, wheels: list[Path], folder: Path) -> tuple[str, bool]:
    """Return a line about a version, and whether all that there is of it is good."""
    place = interpreters().get(version)
    if place is not None:
        results = list(failures(place, wheels, folder / version))
    elif reason := make_root(version, folder / version):
        return f"{version}: there is none here, and {reason}", True
    else:
        results = list(root_failures(version, wheels, folder / version, COMMANDS))
    return f"{version}: {'; '.join(results) or 'good'}", not results


def main() -> int:
    """Try each; return 1 where one failed."""
    others = [version for version in SUPPORTED if version != f"{sys.version_info[0]}.{sys.version_info[1]}"]
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(AT_ONCE) as threads:
        folder = Path(temporary)
        wheels = [build_wheel(folder / "product"), build_wheel(folder / "playground", ROOT / "playground")]
        lines = list(threads.map(lambda version: report(version, wheels, folder), others))
    sys.stdout.write("".join(f"{line}\n" for line, _ in lines))
    return 0 if all(is_good for _, is_good in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
