"""Writes the present schema into what the unreleased version needs: a migration makes the page differ."""

import re

from tests.harness.repository import ROOT
from tests.packaging.release.notes import UNRELEASED, UPGRADE
from vpsops.core.storage import schema


def upgrade_page() -> str:
    """Return docs/upgrade.md with the schema of the code; as it is where nothing is unreleased."""
    text = (ROOT / UPGRADE).read_text(encoding="utf-8")
    return re.sub(rf"(?<=^### {UNRELEASED}\n\nIts schema is )\d+", schema.HEAD, text, flags=re.MULTILINE)
