"""Hooks of the site: folders in the navigation, and links that lead out of docs/, which is no page of the site."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

OUTSIDE = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#\s]*)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Replace each folder of the navigation by its pages, the one that lists them first."""
    config["nav"] = [_expanded(entry, Path(config["docs_dir"])) for entry in config["nav"]]
    return config


def _expanded(entry: Any, docs: Path) -> Any:
    if isinstance(entry, list):
        return [_expanded(inner, docs) for inner in entry]
    if isinstance(entry, dict):
        return {title: _expanded(inner, docs) for title, inner in entry.items()}
    if not entry.endswith("/"):
        return entry
    pages = sorted((docs / entry).glob("*.md"), key=lambda path: (path.name != "README.md", path.name))
    return [path.relative_to(docs).as_posix() for path in pages]


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page's text with links that lead out of docs/ as words."""
    depth = len(PurePosixPath(page.file.src_uri).parents) - 1

    def words_of(match: re.Match[str]) -> str:
        words, path, _anchor = match.groups()
        if path.count("../") <= depth:
            return match[0]
        return f"{words} (`{path.replace('../', '')}` in the repository)"

    return OUTSIDE.sub(words_of, markdown)
