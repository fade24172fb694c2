"""Reads the blocks of commands of the documentation, so that what is played is what is written there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.harness.repository import ROOT

BLOCK: Final = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING: Final = re.compile(r"^#+ (.*)$", re.MULTILINE)


class NotDocumentedError(Exception):
    """A page has no such heading or block."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code of a page: the `number`th one under a heading."""

    page: str
    heading: str
    number: int = 0

    @property
    def text(self) -> str:
        """What stands in the block. Raises `NotDocumentedError`."""
        part = self._section()
        blocks = BLOCK.findall(part)
        if self.number >= len(blocks):
            raise NotDocumentedError(f"{self.page}, {self.heading}: there is no block {self.number}")
        return str(blocks[self.number])

    @property
    def commands(self) -> Sequence[str]:
        """The commands of the block, each on one line. Raises `NotDocumentedError`."""
        lines = re.sub(r"\\\n\s*", "", self.text).splitlines()
        return [re.sub(r"\s+# .*$", "", line) for line in lines if line.strip()]

    def _section(self) -> str:
        page = (ROOT / self.page).read_text(encoding="utf-8")
        outside_code = BLOCK.sub(lambda match: " " * len(match[0]), page)
        headings = list(HEADING.finditer(outside_code))
        for index, heading in enumerate(headings):
            if heading[1] == self.heading:
                end = headings[index + 1].start() if index + 1 < len(headings) else len(page)
                return page[heading.end() : end]
        raise NotDocumentedError(f"{self.page} has no heading {self.heading!r}")
