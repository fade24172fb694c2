"""Play the evening of a platform engineer: `make evening`. Needs root, and Debian's mmdebstrap and systemd-container.

The whole transcript goes to build/evening/transcript.txt. The shortened one is docs/evening.md: without `--write` a
page that says something else is an error.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

import anyio

from tests.harness.repository import ROOT
from tests.packaging.evening.ingredients import (
    BUILD,
    Edition,
    base_archive,
    current_edition,
    earlier_edition,
    locked_libraries,
    python_version,
)
from tests.packaging.evening.installation import install, take_away, upgrade
from tests.packaging.evening.machine import missing_tools, running_machine, unpack
from tests.packaging.evening.observation import scrape, trace
from tests.packaging.evening.operation import back_up_and_restore, rotate_key, tighten_policy
from tests.packaging.evening.outside import running_outside
from tests.packaging.evening.sandbox import enter_control_groups, hide_host_state, run_apart, start_loopback
from tests.packaging.evening.session import Evening

PAGE: Final = ROOT / "docs" / "evening.md"
TRANSCRIPT: Final = BUILD / "transcript.txt"
PROGRAMS: Final = {"mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container", "unshare": "util-linux"}
FOLDERS: Final = ("/root/vpsops-earlier", "/root/vpsops")


def main() -> int:
    """Prepare with the network there is, then play without one; return 1 where the page is not current."""
    chosen = _arguments()
    if chosen.folder:
        return _play(Path(chosen.folder), [Path(name) for name in chosen.groups.split(",") if name], write=chosen.write)
    lacking = missing_tools(PROGRAMS)
    if lacking or os.geteuid() != 0:
        sys.stderr.write(f"needed: root, and from Debian {', '.join(lacking) or 'nothing more'}\n")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as name:
        _prepare(Path(name))
        write = ["--write"] if chosen.write else []
        return run_apart(["-m", "tests.packaging.evening", "--folder", name, *write])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.packaging.evening", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/evening.md")
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    parser.add_argument("--groups", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _prepare(folder: Path) -> None:
    """Make the root file system with both editions and the libraries' folder beside it."""
    root = folder / "root"
    unpack(base_archive(), root)
    earlier = earlier_edition(folder / "earlier")
    editions = [current_edition(folder / "current"), *([earlier] if earlier else [])]
    libraries = locked_libraries(editions, python_version(root))
    for place, edition in zip(reversed(FOLDERS), editions, strict=False):
        for part in ("dist", "requirements", "packaging"):
            shutil.copytree(edition.folder / part, root / place.lstrip("/") / part)
    about = {"libraries": str(libraries), "editions": [(edition.schema, edition.says) for edition in editions]}
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")


def _play(folder: Path, groups: list[Path], *, write: bool) -> int:
    """Play the acts in the sandbox; return 1 where the page is not current."""
    enter_control_groups(groups)
    start_loopback()
    hide_host_state()
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    current, *earlier = [Edition(folder, schema, says) for schema, says in about["editions"]]
    with (
        running_outside(folder) as outside,
        running_machine(folder / "root", Path(about["libraries"])) as machine,
    ):
        evening = Evening(machine, outside)
        try:
            anyio.run(_acts, evening, current, earlier)
        except BaseException:
            for unit in ("vpsops.service", "vpsops-worker.service"):
                evening.transcript.full += [f"\n=== {unit}", evening.journal(unit)[-20_000:]]
            raise
        finally:
            TRANSCRIPT.write_text(evening.transcript.full_text(), encoding="utf-8")
    return _report(evening, write=write, whole=bool(earlier))


async def _acts(evening: Evening, current: Edition, earlier: list[Edition]) -> None:
    before = evening.machine.files()
    await install(evening)
    for act in (scrape, trace, rotate_key, tighten_policy, back_up_and_restore):
        await act(evening)
    await take_away(evening, before)
    for edition in earlier:
        await upgrade(evening, edition, current, FOLDERS)


def _report(evening: Evening, *, write: bool, whole: bool) -> int:
    """Say how it ended, and write the page or compare it."""
    sys.stdout.write(f"The evening is played; all of it is in {TRANSCRIPT.relative_to(ROOT)}.\n")
    if not whole:
        sys.stdout.write("Not played: the upgrade. History holds no earlier commit with unit files; clone all of it.\n")
        return 0
    text = evening.transcript.page_text()
    if write:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        (BUILD / PAGE.name).write_text(text, encoding="utf-8")
        made = f"build/evening/{PAGE.name}"
        sys.stderr.write(f"docs/{PAGE.name} is not current: compare {made}, and run it with --write.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
