"""The image as an OCI archive, where its tools are installed."""

import platform
import tempfile
from pathlib import Path
from typing import Final

from tests.packaging.containers.image_build import build_image, make_base, missing_tools, run, wheels_for
from tests.packaging.release.archives import write_tar
from tests.packaging.release.source import ReleaseSource

BASE: Final = "localhost/vpsops-base"


def write_image(source: ReleaseSource, into: Path) -> list[str]:
    """Build the image and write it; return the tools that are missing, and write nothing then.

    `podman load` and `skopeo copy oci-archive:…` read it. buildah's own archive has the time of its making in it,
    so the layout is archived here. The format has no health check: compose and Kubernetes bring their own.
    """
    missing = missing_tools()
    if not missing:
        environ = source.environment()
        image = f"localhost/vpsops:{source.version}"
        make_base(environ)
        build_image(BASE, wheels_for(BASE), image, source.tree, environ)
        with tempfile.TemporaryDirectory() as name:
            layout = Path(name, "layout")
            run("buildah", "push", "--quiet", "--format", "oci", image, f"oci:{layout}:{source.version}")
            archive = into / f"vpsops-{source.version}-{platform.machine()}.oci.tar"
            write_tar(layout, archive, source.epoch)
    return missing
