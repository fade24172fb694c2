"""Pack the bundle of this checkout: `make bundle`."""

import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.harness.repository import ROOT
from tests.packaging.registry.bundle import BUILD, pack_bundle
from tests.packaging.registry.entries import project
from tests.packaging.release.errors import ReleaseError
from tests.packaging.wheel import build_wheel

EPOCH: Final = 1_580_601_600
"""The time that hatchling gives files where none is set: 2020-02-02."""


def main() -> int:
    """Write build/vpsops-VERSION.mcpb; return 1 where that fails."""
    BUILD.mkdir(exist_ok=True)
    bundle = BUILD / f"vpsops-{project()['version']}.mcpb"
    with tempfile.TemporaryDirectory() as name:
        try:
            description = pack_bundle(ROOT, build_wheel(Path(name)), bundle, EPOCH)
        except ReleaseError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    sys.stdout.write(description)
    return 0


if __name__ == "__main__":
    sys.exit(main())
