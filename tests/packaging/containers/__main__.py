"""Build the image and run it: `make containers`. No registry of images is asked.

The base is made of Debian's packages by mmdebstrap, the libraries are brought by pip before the build (a build step
has no network), buildah runs the steps in a chroot (a runtime needs more of the machine than some give), and podman
runs the result with the host's network, read-only and without rights, as compose file and manifests have it.
"""

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.harness.repository import ROOT
from tests.packaging.containers.image_run import check_image

BUILD: Final = ROOT / "build" / "containers"
BASE: Final = "localhost/vpsops-base"
IMAGE: Final = "localhost/vpsops"
PACKAGES: Final = "python3,python3-venv,ca-certificates"
TOOLS: Final = ("buildah", "podman", "runc", "mmdebstrap")
SOURCES: Final = Path("/etc/apt/sources.list.d")


def main() -> int:
    """Build and check; return 2 where a tool is missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.packaging.containers", description=__doc__)
    parser.add_argument("--base", metavar="IMAGE", help="an image with Python 3.11 that is there, in place of our own")
    parser.add_argument("--keep", action="store_true", help="keep the base for the next run")
    chosen = parser.parse_args()
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        sys.stderr.write(f"needed, from Debian: {', '.join(missing)}\n")
        return 2
    BUILD.mkdir(parents=True, exist_ok=True)
    base = chosen.base or BASE
    if not chosen.base and not (chosen.keep and has_image(BASE)):
        make_base()
    build_image(base, wheels_for(base))
    check_image(IMAGE)
    sys.stdout.write(f"{IMAGE} is built, answers, says that it is healthy, and ends in good order.\n")
    return 0


def run(*words: str) -> str:
    """Run a tool and return what it prints; what goes wrong is on standard error."""
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def has_image(name: str) -> bool:
    """Return whether an image is there."""
    return subprocess.run(["podman", "image", "exists", name], check=False).returncode == 0


def make_base() -> None:
    """Make the base from the packages of this machine's own release."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    sources = [str(path) for path in sorted((*SOURCES.glob("*.sources"), *SOURCES.glob("*.list")))]
    with tempfile.TemporaryDirectory(dir=BUILD) as name:
        archive = str(Path(name, "base.tar"))
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", release, archive, *sources)
        Path(name, "Containerfile").write_text("FROM scratch\nADD base.tar /\n", encoding="utf-8")
        run("buildah", "bud", "--quiet", "--tag", BASE, "--file", str(Path(name, "Containerfile")), name)


def wheels_for(base: str) -> Path:
    """Bring the locked libraries for the base's Python, with their hashes, and return their folder."""
    folder = BUILD / "wheels"
    folder.mkdir(exist_ok=True)
    version = python_of(base)
    for name in ("run", "build"):
        lock = str(ROOT / "requirements" / f"{name}.txt")
        words = ("-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps")
        where = ("--only-binary=:all:", "--python-version", version, "--dest", str(folder), "--requirement", lock)
        run(sys.executable, *words, *where)
    return folder


def python_of(base: str) -> str:
    """Return the version of a base's Python: `3.11`."""
    name = run("buildah", "from", "--pull-never", base).strip()
    try:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        return run("buildah", "run", "--isolation", "chroot", name, "python3", "-c", code).strip()
    finally:
        run("buildah", "rm", name)


def build_image(base: str, wheels: Path) -> None:
    """Run the Containerfile's steps; `docker` is the format that has a HEALTHCHECK."""
    arguments: Sequence[str] = (f"BASE={base}", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/wheels")
    given = [word for argument in arguments for word in ("--build-arg", argument)]
    options = (
        "--quiet",
        "--pull-never",
        "--format",
        "docker",
        "--isolation",
        "chroot",
        "--volume",
        f"{wheels}:/wheels:ro",
    )
    file = str(ROOT / "packaging" / "container" / "Containerfile")
    run("buildah", "bud", *options, *given, "--tag", IMAGE, "--file", file, str(ROOT))


if __name__ == "__main__":
    sys.exit(main())
