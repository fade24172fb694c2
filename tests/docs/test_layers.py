"""Folders are concepts: few modules each, all in the contract, and the pages name files that exist."""

import re

import pytest

from tests.docs.pages.layers import MODULES_MAX, PACKAGE, folders, layers_contract, path_of
from tests.harness.repository import ROOT

NO_IMPORTS_AMONG = {"vpsops.core.storage.migrations", "vpsops.cli", "vpsops.core.execution", "vpsops.core.service"}
"""Folders in which children need no order, as they never import each other: migrations, and what contracts hold."""
NAMED = re.compile(r"`((?:core|bot|mcp_server|playground|vpsops|tests|docs)/[\w/.*{},-]*)`")


@pytest.mark.parametrize("folder", list(folders()))
def test_a_folder_holds_at_most_twelve_modules(folder: str) -> None:
    """Larger folders do not show what belongs together."""
    if folder.endswith(".migrations.versions"):  # one for each schema
        return
    assert len(folders()[folder]) <= MODULES_MAX


def test_every_folder_with_folders_is_ordered_by_the_contract() -> None:
    """A container that the contract does not name has children in no order."""
    containers, _ = layers_contract()
    parents = {name.rpartition(".")[0] for name in folders() if name != PACKAGE and "." in name}
    inner = {name for name in parents if len([child for child in folders() if child.rpartition(".")[0] == name]) > 1}
    ordered = set(containers) | NO_IMPORTS_AMONG
    assert inner - ordered == set()
    assert all(path_of(container).is_dir() for container in containers)


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md", "AGENTS.md", "README.md"])
def test_a_page_names_files_that_exist(page: str) -> None:
    """Every path that the page names exists."""
    named = NAMED.findall((ROOT / page).read_text(encoding="utf-8"))
    assert [path for path in named if not list(ROOT.glob(path.rstrip("/")))] == []


def test_the_page_of_the_tree_names_every_folder_of_tests() -> None:
    """Who adds a kind of tests says there what it holds."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    kinds = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").glob("*/**/*.py")}
    assert len(kinds) > 1
    assert sorted(kind for kind in kinds if f"`tests/{kind}/`" not in page) == []
