"""Install the wheels into every other Python there is, and play the demonstration in it: `make interpreters`.

Hash-locked requirements, as the guide installs them; an interpreter that is missing is named.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.packaging.wheel import ROOT, build_wheel

SUPPORTED: Final = ("3.11", "3.12", "3.13", "3.14")
COMMANDS: Final = (["--version"], ["policy", "check"], ["demo"])
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
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "--requirement", ROOT / "requirements/run.txt"], check=True)
    subprocess.run([*pip, "--no-deps", *wheels], check=True)
    for words in (["-m", "pip", "check"], *(["-m", "vpsops", *command] for command in COMMANDS)):
        done = subprocess.run([python, *words], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            yield f"{' '.join(words)}: {(done.stderr or done.stdout)[-2000:]}"


def main() -> int:
    """Try each; return 1 where one failed."""
    known, wrong = interpreters(), 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        wheels = [build_wheel(folder / "product"), build_wheel(folder / "playground", ROOT / "playground")]
        for version in SUPPORTED:
            if version not in known:
                sys.stdout.write(f"{version}: there is none here\n")
                continue
            results = list(failures(known[version], wheels, folder / version))
            wrong += bool(results)
            sys.stdout.write(f"{version}: {'; '.join(results) or 'good'}\n")
            sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
