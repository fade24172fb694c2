"""Cuts a version's notes from CHANGELOG.md and docs/upgrade.md. Raises `ReleaseError` where there are none."""

import re
from pathlib import Path
from typing import Final

from tests.packaging.registry.entries import project
from tests.packaging.release.errors import ReleaseError

UNRELEASED: Final = "Unreleased"
CHANGELOG: Final = Path("CHANGELOG.md")
UPGRADE: Final = Path("docs/upgrade.md")
LINK: Final = re.compile(r"(?<=\]\()(?!https?:|#)([^)\s]+)(?=\))")


def release_notes(tree: Path, version: str, heading: str) -> str:
    """Return the notes of a version: the changelog's section of that heading, and that of the page on upgrades.

    Links by path get the address of the version's tag.
    """
    changes = section((tree / CHANGELOG).read_text(encoding="utf-8"), "##", heading)
    steps = section((tree / UPGRADE).read_text(encoding="utf-8"), "###", heading)
    for text, path, level in ((changes, CHANGELOG, "##"), (steps, UPGRADE, "###")):
        if not text:
            raise ReleaseError(
                f"{path} has nothing under '{level} {heading}': write what is new, and what has to be done."
            )
    pages = f"{project()['urls']['Homepage']}/blob/v{version}"
    changes = LINK.sub(rf"{pages}/\1", changes)
    steps = LINK.sub(rf"{pages}/{UPGRADE.parent}/\1", steps).replace(f"{UPGRADE.parent}/../", "")
    title = f"# vpsops {version}" + (" (not released)" if heading == UNRELEASED else "")
    return f"{title}\n\n{changes}\n\n## Upgrade\n\n{steps}\n"


def section(text: str, level: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one of its level; "" without one.

    A date after the version, and brackets around it, are taken: `## [1.2.3] - 2027-01-04`.
    """
    pattern = rf"^{level} \[?{re.escape(heading)}\]?(?: - \d{{4}}-\d\d-\d\d)?\n(.*?)(?=^#{{2,{len(level)}}} |\Z)"
    match = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    return match[1].strip() if match else ""
