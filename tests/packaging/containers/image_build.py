"""Builds the image on a base of Debian's packages. No registry of images is asked.

The base is made by mmdebstrap, the libraries are brought by pip before the build (a build step has no network), and
buildah runs the steps in a chroot (a runtime needs more of the machine than some give).
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.harness.repository import ROOT

BUILD: Final = ROOT / "build" / "containers"
BASE: Final = "localhost/vpsops-base"
IMAGE: Final = "localhost/vpsops"
PACKAGES: Final = "python3,python3-venv,ca-certificates"
TOOLS: Final = ("buildah", "mmdebstrap")
SOURCES: Final = Path("/etc/apt/sources.list.d")
EPOCH: Final = "SOURCE_DATE_EPOCH"


def missing_tools(tools: Sequence[str] = TOOLS) -> list[str]:
    """Return the tools that are not installed here."""
    return [tool for tool in tools if shutil.which(tool) is None]


def run(*words: str) -> str:
    """Run a tool and return what it prints; what goes wrong is on standard error."""
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def has_image(name: str) -> bool:
    """Return whether an image is there."""
    return (
        subprocess.run(["buildah", "inspect", "--type", "image", name], check=False, capture_output=True).returncode
        == 0
    )


def image_digest(name: str) -> str:
    """Return the digest of an image in OCI's format; the id in Docker's has that of a working container in it."""
    with tempfile.TemporaryDirectory() as folder:
        run("buildah", "push", "--quiet", "--format", "oci", name, f"oci:{folder}:checked")
        (manifest,) = json.loads(Path(folder, "index.json").read_text(encoding="utf-8"))["manifests"]
    return str(manifest["digest"])


def make_base(environ: Mapping[str, str] = os.environ) -> None:
    """Make the base from the packages of this machine's own release; of one time where `SOURCE_DATE_EPOCH` is set."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    sources = [str(path) for path in sorted((*SOURCES.glob("*.sources"), *SOURCES.glob("*.list")))]
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as name:
        archive = str(Path(name, "base.tar"))
        words = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", release, archive, *sources]
        subprocess.run(words, check=True, stdout=subprocess.PIPE, env=dict(environ))
        Path(name, "Containerfile").write_text("FROM scratch\nADD base.tar /\n", encoding="utf-8")
        file = str(Path(name, "Containerfile"))
        run("buildah", "bud", "--quiet", *_timestamp(environ), "--tag", BASE, "--file", file, name)


def wheels_for(base: str) -> Path:
    """Bring the locked libraries for the base's Python, with their hashes, and return their folder."""
    folder = BUILD / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
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


def build_image(
    base: str, wheels: Path, image: str = IMAGE, context: Path = ROOT, environ: Mapping[str, str] = os.environ
) -> None:
    """Run the Containerfile's steps; `docker` is the format that has a HEALTHCHECK."""
    arguments = {"BASE": base, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}
    arguments |= {name: environ[name] for name in (EPOCH, "BUILD_COMMIT") if name in environ}
    given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
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
    file = str(context / "packaging" / "container" / "Containerfile")
    run("buildah", "bud", *options, *_timestamp(environ), *given, "--tag", image, "--file", file, str(context))


def _timestamp(environ: Mapping[str, str]) -> tuple[str, ...]:
    return ("--timestamp", environ[EPOCH]) if EPOCH in environ else ()
