"""The pictures of the docs can be drawn: a message, a form, and Home."""

from pathlib import Path

import pytest

from tests.browser.chromium import Browser
from tests.browser.png_palette import MARK
from tests.browser.slack_pictures import PREFIX, draw, enter, running_studio
from tests.browser.surfaces.catalogue import looks_of, surfaces


@pytest.mark.parametrize("name", ["note", "modal-name-confirm", "home-plain"])
async def test_a_surface_of_each_kind_is_drawn_in_all_its_looks(browser: Browser, tmp_path: Path, name: str) -> None:
    """A form is shown only where it was opened, so the page that is drawn opens it."""
    async with running_studio() as studio, browser.page() as page:
        await enter(page, studio)
        await draw(page, studio, name, surfaces()[name], tmp_path)
        complaints = page.complaints()
    assert is_drawn(tmp_path, name)
    assert not complaints, complaints


def is_drawn(folder: Path, name: str) -> bool:
    """Return whether the folder holds a PNG of each look, and nothing else."""
    drawn = {path.stem for path in folder.iterdir() if path.read_bytes().startswith(MARK)}
    return drawn == {f"{PREFIX}{name}{look.suffix}" for look in looks_of(name)}
