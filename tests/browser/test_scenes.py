"""The guided tour in a real browser: every scene is played with the mouse, and checks itself."""

from pathlib import Path

import pytest

from tests.browser.chromium import BrowserPage
from tests.harness.patience import PATIENCE_SECONDS

SCENES = ("command", "confirmation", "approval", "provisioning", "failure", "outsider")
SCENE_SECONDS = PATIENCE_SECONDS
PASSED = "document.querySelector('[data-scene-state=passed]')"
WATCHED = "document.querySelector('.steps .now')"
STEP = "document.querySelector('[data-scene-state]')?.dataset"


async def play(page: BrowserPage, scene: str, pictures: Path, style: str = "") -> None:
    """Play a scene to its end, keeping a picture of every step; raises TimeoutError where it does not get there."""
    await page.click("#tour")
    await page.click(f".scenes [data-scene={scene}]")
    steps = 0
    while await page.until(f"{PASSED} ? 'passed' : {STEP}.step == '{steps}' && 'step'", SCENE_SECONDS) == "step":
        acts = await page.until(f"{PASSED} ? 'no' : document.querySelector('#do-it') ? 'yes' : {WATCHED} && 'no'")
        await page.picture(pictures / f"{scene}{style}-{steps + 1}.png")
        if acts == "yes":
            await page.click("#do-it")
        await page.until(f"{PASSED} || {STEP}.step != '{steps}'", SCENE_SECONDS)
        steps += 1
    await page.picture(pictures / f"{scene}{style}-end.png")


@pytest.mark.parametrize("scene", SCENES)
async def test_a_scene_plays_to_its_end_and_finds_its_own_claims_true(
    page: BrowserPage, scene: str, pictures: Path
) -> None:
    """Each scene ends with its proof: effects at the provider, votes, and an unbroken chain."""
    await play(page, scene, pictures)


async def test_a_scene_plays_on_a_phone_in_the_dark(page: BrowserPage, pictures: Path) -> None:
    """The longest scene goes the same way on 390 points of width."""
    await page.size(390, 844, dark=True)
    await play(page, "approval", pictures, "-phone")


async def test_the_tour_lists_the_scenes_that_are_tested(page: BrowserPage) -> None:
    """Every scene of the page is played by a test."""
    await page.click("#tour")
    listed = await page.run("[...document.querySelectorAll('.scenes [data-scene]')].map((s) => s.dataset.scene)")
    assert tuple(listed) == SCENES
