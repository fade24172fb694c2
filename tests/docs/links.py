"""Links and anchors of Markdown pages, as the site that shows them makes them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
FENCE = re.compile(r"^\s*(```|~~~)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
SPOKEN = re.compile(r"\[([^\]]*)\]\([^)]*\)")  # of a link in a heading only the words count


@dataclass(frozen=True, slots=True)
class PageLink:
    """One link of a page: the file it leads to, and the place there, if it names any."""

    written: str
    target: Path
    anchor: str

    def leads_somewhere(self) -> bool:
        """Return whether file and place exist."""
        return self.target.exists() and (not self.anchor or self.anchor in anchors_of(self.target))


def links_of(page: Path) -> Iterator[PageLink]:
    """Yield the links of a page that stay within the tree."""
    for result in LINK.finditer("\n".join(_prose(page))):
        path, anchor = result[1], result[2] or ""
        if "://" not in path and not path.startswith("mailto:"):
            yield PageLink(result[0], (page.parent / path).resolve() if path else page, anchor)


@cache
def anchors_of(page: Path) -> frozenset[str]:
    """Return the places of a page that can be linked to: its headings, repeated ones with a number."""
    names: dict[str, int] = {}
    results = set()
    for heading in filter(None, (HEADING.match(line) for line in _prose(page))):
        name = _slug(heading[1])
        count = names[name] = names.get(name, -1) + 1
        results.add(f"{name}-{count}" if count else name)
    return frozenset(results)


def _slug(heading: str) -> str:
    words = SPOKEN.sub(r"\1", heading).lower().strip()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def _prose(page: Path) -> Iterator[str]:
    """Yield the lines outside of code blocks; code in a line is no link either."""
    code = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if FENCE.match(line):
            code = not code
        elif not code:
            yield line
