"""What an evening is made of: a root file system of Debian's packages, locked libraries, and two versions' wheels."""

import hashlib
import os
import platform
import re
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.harness.repository import ROOT
from tests.packaging.wheel import build_wheel

BUILD: Final = ROOT / "build" / "evening"
PACKAGES: Final = "systemd,dbus,python3,python3-venv,ca-certificates,prometheus"
SOURCES: Final = Path("/etc/apt/sources.list.d")
LEFT_OUT: Final = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*")
LOCKS: Final = ("run", "otel")
PARTS: Final = ("requirements", "packaging/systemd", "packaging/observability")
UNIT: Final = "packaging/systemd/vpsops.service"
MIGRATIONS: Final = "core/storage/migrations/versions"


@dataclass(frozen=True, slots=True)
class Edition:
    """A version as it is handed out: a folder with `dist`, `requirements` and `packaging`; and its newest migration."""

    folder: Path
    schema: str
    says: str


def base_archive() -> Path:
    """Return an archive of a root file system, which is kept in build/ for the next run."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    options = [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
    options += ["--dpkgopt=force-unsafe-io", "--variant=minbase", f"--include={PACKAGES}"]
    archive = BUILD / f"base-{_digest(release, *options)}.tar"
    if not archive.exists():
        sources = [str(path) for path in sorted((*SOURCES.glob("*.sources"), *SOURCES.glob("*.list")))]
        partial = archive.with_suffix(".partial.tar")
        _run("mmdebstrap", "--quiet", *options, release, str(partial), *sources)
        partial.rename(archive)
    return archive


def locked_libraries(editions: Sequence[Edition], version: str) -> Path:
    """Bring every library of the editions' locks, by their hashes, for a Python version; return their folder."""
    locks = [edition.folder / "requirements" / f"{name}.txt" for edition in editions for name in LOCKS]
    texts = sorted({lock.read_text(encoding="utf-8") for lock in locks if lock.exists()})
    folder = BUILD / f"libraries-{_digest(version, *texts)}"
    if not (folder / ".complete").exists():
        folder.mkdir(exist_ok=True)
        words = ("-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps")
        where = ("--only-binary=:all:", "--python-version", version, "--dest", str(folder))
        for text in widest(texts):
            lock = folder / "lock.txt"
            lock.write_text(text, encoding="utf-8")
            _run(sys.executable, *words, *where, "--requirement", str(lock))
        (folder / ".complete").touch()
    return folder


def widest(locks: Sequence[str]) -> list[str]:
    """Return the locks without those whose every line stands in another one."""
    lines = {lock: frozenset(lock.splitlines()) for lock in locks}
    return [lock for lock in locks if not any(lines[lock] < lines[other] for other in locks)]


def python_version(root: Path) -> str:
    """Return the version of a root's Python: `3.11`."""
    names = [path.name for path in (root / "usr/bin").glob("python3.*")]
    (version,) = (name.removeprefix("python") for name in names if re.fullmatch(r"python3\.\d+", name))
    return version


def current_edition(folder: Path) -> Edition:
    """Return this tree's edition, made in an empty folder."""
    build_wheel(folder / "dist")
    for part in PARTS:
        _run("cp", "--recursive", "--parents", part, str(folder))
    return Edition(folder, _schema(ROOT), "this tree")


def earlier_edition(folder: Path) -> Edition | None:
    """Return the edition of an earlier commit, made in an empty folder; None where history holds none.

    The newest ancestor with unit files and an older schema, else with the same one.
    """
    commits = _run("git", "rev-list", "--first-parent", "--max-count=200", "HEAD~1").split() if _has_parent() else []
    able = [commit for commit in commits if _has(commit, UNIT)]
    if not able:
        return None
    now = _schema(ROOT)
    older = [commit for commit in able if _schema_of(commit) != now]
    commit = (older or able)[0]
    source = folder / "source"
    source.mkdir(parents=True)
    archive = folder / "source.tar"
    _run("git", "archive", "--output", str(archive), commit)
    with tarfile.open(archive) as tar:
        tar.extractall(source, filter="data")
    archive.unlink()
    os.environ["BUILD_COMMIT"] = commit[:12]
    try:
        build_wheel(source / "dist", source)
    finally:
        del os.environ["BUILD_COMMIT"]
    schema = _schema(source)
    kind = "with an older schema" if older else "with the same schema, as history holds no unit files with an older one"
    return Edition(source, schema, f"commit {commit[:12]}, {kind}")


def _has_parent() -> bool:
    words = ("git", "rev-parse", "--quiet", "--verify", "HEAD~1")
    return subprocess.run(words, cwd=ROOT, check=False, capture_output=True).returncode == 0


def _has(commit: str, path: str) -> bool:
    words = ("git", "cat-file", "-e", f"{commit}:{path}")
    return subprocess.run(words, cwd=ROOT, check=False, capture_output=True).returncode == 0


def _schema(tree: Path) -> str:
    return max(path.name[:5] for path in (tree / MIGRATIONS).glob("v[0-9]*.py"))


def _schema_of(commit: str) -> str:
    names = _run("git", "ls-tree", "--name-only", commit, f"{MIGRATIONS}/").split()
    return max(Path(name).name[:5] for name in names if Path(name).name.startswith("v"))


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def _run(*words: str) -> str:
    """Run a tool in the repository and return what it prints; what goes wrong is on standard error."""
    return subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
