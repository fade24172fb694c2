"""Everything that people see in Slack has a picture in the docs, and the docs show every picture."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import Final

import pytest

from tests.browser.slack_pictures import FOLDER, PREFIX
from tests.browser.surfaces import answers, forms, notices, pages
from tests.browser.surfaces.catalogue import as_markdown, looks_of, surfaces
from tests.unit.bot.messages.card_snapshots import DIRECTORY
from vpsops.bot import blocks, messages, views
from vpsops.bot.slack_api.block_limits import fit_post

DRAWING: Final = (blocks, messages, views)
DOCS: Final = FOLDER.parent
HELPERS: Final = {
    "fit_post",
    "shareable",
    "without_table",
    "data_table",
    "change_rows",
    "with_unreadable",
    "with_coming_ends",
}
"""They change what another function has drawn, or draw a part of it."""
ENDS: Final = ("_page", "_view", "_form", "_note", "_notice", "_post", "_table", "_card", "_home", "_details")
ONE, ALL = 100_000, 4_000_000
SURFACES: Final = surfaces()
PICTURES: Final = [f"{PREFIX}{name}{look.suffix}" for name in SURFACES for look in looks_of(name)]


def drawing_functions() -> set[str]:
    """Return the public functions that draw a whole message, form or Home."""
    results = set()
    for module in (
        module for folder in DRAWING for module in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}.")
    ):
        for name, entry in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            whole = inspect.signature(entry).return_annotation in {"Post", fit_post.__annotations__["return"]}
            if entry.__module__ == module.name and not name.startswith("_") and (whole or name.endswith(ENDS)):
                results.add(name)
    return results - HELPERS


def test_every_function_that_draws_something_whole_has_a_picture() -> None:
    """A new page, form or notice needs a sample."""
    source = "".join(inspect.getsource(module) for module in (answers, forms, notices, pages))
    used = {name for name in drawing_functions() if re.search(rf"\b{name}\(", source)}
    assert drawing_functions() - used == {"change_card"}  # the cards come from their snapshots


def test_every_card_that_has_a_snapshot_has_a_picture() -> None:
    """Snapshots that are added later are drawn by themselves."""
    assert {f"card-{path.stem}" for path in DIRECTORY.glob("*.json")} <= SURFACES.keys()


def test_the_pictures_are_those_of_the_surfaces_and_no_others() -> None:
    """`make pictures` draws missing pictures; superfluous ones have to go."""
    assert {path.stem for path in FOLDER.glob(f"{PREFIX}*.png")} == set(PICTURES)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_small(name: str) -> None:
    """A page of the docs loads quickly."""
    assert (FOLDER / f"{name}.png").stat().st_size <= ONE


def test_all_pictures_together_are_small() -> None:
    """A clone of the repository stays small."""
    assert sum(path.stat().st_size for path in FOLDER.glob("*.png")) <= ALL


def test_the_docs_show_every_picture_with_its_caption() -> None:
    """The section is written by the same module that draws; here it is only read."""
    assert drawn_section() in (DOCS / "slack-pictures.md").read_text(encoding="utf-8")


def drawn_section() -> str:
    """Return what the docs should hold."""
    return as_markdown(Path("pictures"))
