"""The site's navigation has every page once, users' pages apart from contributors', and leads out by words."""

import importlib.util
import re
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import pytest
import yaml

from tests.harness.repository import ROOT

FOLDER: Final = ROOT / "packaging" / "site"
DOCS: Final = ROOT / "docs"
CONTRIBUTORS: Final = "For contributors"


class Loader(yaml.SafeLoader):
    """Reads the configuration without making the objects that it names."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def hooks() -> ModuleType:
    """Return the site's hooks as mkdocs loads them."""
    spec = importlib.util.spec_from_file_location("site_hooks", FOLDER / "site_hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def navigation() -> dict[str, list[str]]:
    """Return the pages of each tab, folders expanded."""
    config = yaml.load((FOLDER / "mkdocs.yml").read_text(encoding="utf-8"), Loader)  # noqa: S506 - a safe one
    expanded = hooks().on_config({"nav": config["nav"], "docs_dir": DOCS})["nav"]
    return {title: list(pages(entries)) for tab in expanded for title, entries in tab.items()}


def pages(entry: Any) -> Iterator[str]:
    """Yield the pages of an entry."""
    if isinstance(entry, str):
        yield entry
    else:
        for inner in entry.values() if isinstance(entry, dict) else entry:
            yield from pages(inner)


def test_every_page_is_in_the_navigation_once() -> None:
    named = [page for tab in navigation().values() for page in tab]
    assert sorted(named) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def test_contributors_pages_are_apart() -> None:
    """Decisions, transcripts and how it is tested are no one's business who only uses it."""
    tabs = navigation()
    names = "architecture|benchmarks|crash|evals|mutants|clients|releasing|slack-simulator"
    apart = re.compile(rf"^(decisions|transcripts)/|^({names})\.md$")
    for title, named in tabs.items():
        assert [page for page in named if apart.match(page)] == (
            [page for page in named if not page.startswith("reference/")] if title == CONTRIBUTORS else []
        )


@pytest.mark.parametrize(
    ("page", "text", "shown"),
    [
        ("mcp.md", "[a file](../packaging/x.json)", "a file (`packaging/x.json` in the repository)"),
        ("mcp.md", "[a page](policy.md#a-rule)", "[a page](policy.md#a-rule)"),
        ("reference/hosts.md", "[a page](../mcp.md#limits)", "[a page](../mcp.md#limits)"),
        ("reference/hosts.md", "[a file](../../README.md#install)", "a file (`README.md` in the repository)"),
    ],
)
def test_links_out_of_the_site_are_words(page: str, text: str, shown: str) -> None:
    place = SimpleNamespace(file=SimpleNamespace(src_uri=page))
    assert hooks().on_page_markdown(text, page=place) == shown


def test_a_link_that_leads_nowhere_is_an_error() -> None:
    config = yaml.load((FOLDER / "mkdocs.yml").read_text(encoding="utf-8"), Loader)  # noqa: S506 - a safe one
    assert config["strict"] is True
    assert config["validation"]["links"]["not_found"] == config["validation"]["links"]["anchors"] == "warn"
    assert config["validation"]["nav"]["omitted_files"] == "warn"
