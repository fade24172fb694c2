"""The short texts in the product's code, wherever they stand: `values/words.json` names those that must be there."""

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
OTHERS: Final = frozenset({"tests", "docs", "build", "dist", "migrations", "__pycache__"})
TEXT: Final = re.compile(r'"([^"\\\n]{1,80})"')


def is_in_code(word: str) -> bool:
    """Say whether a word stands in the code as a whole text; with a brace at its end, as its beginning."""
    return any(text.startswith(word) for text in texts()) if word.endswith("{") else word in texts()


@cache
def texts() -> frozenset[str]:
    """Return every short text between quotation marks in the product's code."""
    return frozenset(text for path in _sources() for text in TEXT.findall(path.read_text(encoding="utf-8")))


def _sources() -> Iterator[Path]:
    for folder, inner, files in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in OTHERS and not name.startswith(".")]
        yield from (Path(folder, name) for name in files if name.endswith(".py"))
