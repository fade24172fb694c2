"""The page of what an installation brings besides vpsops, and under which licence."""

from typing import Final

from tests.harness.repository import ROOT
from tests.packaging.licences.package_metadata import installed, licence_files, licence_of

CONDITIONS: Final = (
    "# Licences of others\n\n"
    "What `pip install vpsops` and the image bring besides vpsops (Apache-2.0), on Linux: the packages of"
    " `requirements/run.txt`, unaltered, as their index has them. Their texts come with them, in the folder"
    " `*.dist-info` beside each package (in the image under `/opt/vpsops/lib`); the bill of materials of a"
    " [release](../releasing.md) has the versions.\n\n"
    "- `psycopg` and `psycopg-binary` are under the LGPL: another version may be put in their place, by `pip install`"
    " in the environment or in an image of your own. The latter holds `libpq` (PostgreSQL License) and OpenSSL"
    " (Apache-2.0) in its wheel.\n"
    "- `certifi` is under the MPL: its source is the package itself.\n"
    "- An image holds Debian's packages as well; theirs are in `/usr/share/doc/*/copyright`.\n\n"
)


def licences_page() -> str:
    """Return the page: one row for each package that is installed."""
    lock = (ROOT / "requirements/run.txt").read_text(encoding="utf-8")
    names = [line.partition("==")[0] for line in lock.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    packages = installed()
    rows = [
        f"| `{name}` | {licence_of(packages[name])} | {'yes' if licence_files(packages[name]) else 'no'} |"
        for name in names
        if name in packages
    ]
    return CONDITIONS + "| package | licence | text comes with it |\n|---|---|---|\n" + "\n".join(rows) + "\n"
