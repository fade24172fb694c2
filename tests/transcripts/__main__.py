"""Holds the conversations and writes docs/transcripts; with --check only says whether the pages are current."""

import argparse
import logging
import sys
from pathlib import Path
from typing import Final

import anyio
import structlog

from tests.transcripts.scenarios import pages

PLACE: Final = Path(__file__).parents[2] / "docs" / "transcripts"


def main() -> int:
    """Write, or compare."""
    parser = argparse.ArgumentParser(prog="python -m tests.transcripts", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, end with 1 where a page is not current")
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    stale = differing(anyio.run(pages), write=not chosen.check)
    for name in stale:
        sys.stdout.write(f"docs/transcripts/{name} {'is not current' if chosen.check else 'was written'}\n")
    return 1 if stale and chosen.check else 0


def differing(made: dict[str, str], *, write: bool) -> list[str]:
    """Return the names of the pages that differ from what is there, and write them where that is wanted."""
    there = {path.name: path.read_text(encoding="utf-8") for path in PLACE.glob("*.md")}
    stale = [name for name in sorted({*made, *there}) if made.get(name) != there.get(name)]
    if write:
        PLACE.mkdir(exist_ok=True)
        for name in stale:
            (PLACE / name).write_text(made[name], encoding="utf-8") if name in made else (PLACE / name).unlink()
    return stale


if __name__ == "__main__":
    sys.exit(main())
