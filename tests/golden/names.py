"""Names that operators and scripts have, from the generated pages of docs/reference: no explanations."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from vpsops.core.common.json_types import Json

PAGES: Final = Path(__file__).parent.parent.parent / "docs" / "reference"
CODE: Final = re.compile(r"`([^`]+)`")
OPTION: Final = re.compile(r"^  (-\S.*?|[A-Z{]\S*)(?:  .*)?$")
USAGE: Final = re.compile(r"usage: (.+?)\n\n", re.DOTALL)


def values(_folder: Path) -> Mapping[str, Json]:
    """Return the names on each page."""
    return {
        "settings": _settings(),
        "commands": dict(_commands()),
        "operations and words": [row[0].strip("`").replace("\\|", "|") for row in _rows("operations.md")],
        "addresses and prompts": [" ".join(CODE.findall(f"{row[0]} {row[-1]}")) for row in _rows("resources.md")],
    }


def _rows(page: str) -> Iterator[list[str]]:
    """Yield the cells of each row of a page's tables, without their heads."""
    for line in (PAGES / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _settings() -> Sequence[str]:
    """Return each setting with its default and the name of its file, and the keys of the tables."""
    results = []
    for row in _rows("settings.md"):
        names = CODE.findall(row[0]) + CODE.findall(row[1]) if row[0].startswith("`[") else CODE.findall(row[0])
        file = re.search(r"\(or a file named by `(\w+)`\)", row[1])
        results.append(" ".join([*names, *CODE.findall(row[2]), *([file[1]] if file else [])]))
    return results


def _commands() -> Iterator[tuple[str, list[str]]]:
    """Yield each command with its usage and its options' spellings, choices and placeholders."""
    text = (PAGES / "commands.md").read_text(encoding="utf-8")
    for heading, body in re.findall(r"^##+ (vpsops .+?)\n\n```\n(.+?)\n```", text, re.MULTILINE | re.DOTALL):
        usage = USAGE.match(f"{body}\n\n")
        lines = [match[1] for line in body.splitlines() if (match := OPTION.match(line)) is not None]
        options = [line for line in lines if line != "-h, --help"]
        yield heading, [" ".join(usage[1].split()) if usage else "", *options]
