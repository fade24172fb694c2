"""Build the image and run it: `make containers`.

podman runs the result with the host's network, read-only and without rights, as compose file and manifests have it.
"""

import argparse
import sys
from typing import Final

from tests.packaging.containers.image_build import (
    BASE,
    EPOCH,
    IMAGE,
    TOOLS,
    build_image,
    has_image,
    image_digest,
    make_base,
    missing_tools,
    wheels_for,
)
from tests.packaging.containers.image_run import check_image

RUNNING: Final = ("podman", "runc")
AGAIN: Final = f"{IMAGE}-again"
TIME: Final = "1580601600"


def main() -> int:
    """Build and check; return 2 where a tool is missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.packaging.containers", description=__doc__)
    parser.add_argument("--base", metavar="IMAGE", help="an image with Python 3.11 that is there, in place of our own")
    parser.add_argument("--keep", action="store_true", help="keep the base for the next run")
    chosen = parser.parse_args()
    missing = missing_tools((*TOOLS, *RUNNING))
    if missing:
        sys.stderr.write(f"needed, from Debian: {', '.join(missing)}\n")
        return 2
    base = chosen.base or BASE
    if not chosen.base and not (chosen.keep and has_image(BASE)):
        make_base()
    wheels = wheels_for(base)
    for image in (IMAGE, AGAIN):
        build_image(base, wheels, image, environ={EPOCH: TIME})
    if image_digest(IMAGE) != image_digest(AGAIN):
        sys.stderr.write(f"{IMAGE} and {AGAIN}, of the same files and time, differ.\n")
        return 1
    check_image(IMAGE)
    sys.stdout.write(f"{IMAGE} is built, twice the same, answers, says that it is healthy, and ends in good order.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
