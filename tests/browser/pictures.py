"""Draws the pictures of docs/ from the page itself: `python -m tests.browser.pictures`."""

import os
import tempfile
from pathlib import Path

import anyio

from tests.browser.chromium import BrowserPage, running_browser
from tests.browser.png_palette import small
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.playground.processes import running_command

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
SCENE_SECONDS = PATIENCE_SECONDS
STEP = "document.querySelector('.steps .now') && document.querySelector('[data-scene-state]').dataset.step"


async def main() -> None:
    """Start everything, play three scenes and a task, and keep seven moments of them."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with tempfile.TemporaryDirectory() as name:
        command = running_command("playground", ["playground", "--speed", "60"], environment, Path(name))
        async with command as address, running_browser() as browser, browser.page() as page:
            await page.size(1280, 800)
            await page.open(address)
            await page.until("document.querySelector('[data-ready=true]')", SCENE_SECONDS)
            await keep(page, "start")
            await draw(page)


async def draw(page: BrowserPage) -> None:
    """Keep the moments."""
    await until_step(page, "approval", 3)
    await keep(page, "approval")
    await page.click(".rooms [data-channel=home]")
    await page.until("document.querySelector('.home').textContent.includes('As of')")
    await keep(page, "home")
    await page.click(".rooms [data-channel=C0APPROVALS]")
    await page.size(390, 844, dark=True)
    await keep(page, "phone")
    await page.size(1280, 800)
    await until_step(page, "provisioning", 1)
    await page.until("document.querySelector('.sheet [data-action=plan]')")
    await page.run(
        "import('/static/js/hands.js').then((hands) => hands.choose('.sheet [data-action=plan]', 'vps-4gb-2cpu'))"
    )
    await page.until("document.querySelector('.sheet').textContent.includes('Total: 199')")
    await keep(page, "form")
    await page.key("Escape")
    await until_step(page, "failure", 4)
    await keep(page, "truth")
    await page.click("[aria-label='Close the tour']")
    await page.click("[data-panel=agent]")
    await page.click("[data-sample^='Restart web01']")
    await page.click("[data-see=C0APPROVALS]")
    await page.until("document.querySelector(\".messages [data-action='vps:approve']\")")
    await keep(page, "task")


async def until_step(page: BrowserPage, scene: str, step: int) -> None:
    """Play a scene up to a step, or to its end."""
    if await page.run("document.querySelector('#all-scenes') !== null"):
        await page.click("#all-scenes")
    await page.click(f".scenes [data-scene={scene}]")
    for at in range(step):
        await page.until(f"{STEP} === '{at}'", SCENE_SECONDS)
        if await page.run("document.querySelector('#do-it') !== null"):
            await page.click("#do-it")
        passed = "document.querySelector('[data-scene-state=passed]')"
        await page.until(f"{passed} || {STEP} === '{at + 1}'", SCENE_SECONDS)


async def keep(page: BrowserPage, name: str) -> None:
    """Write a picture once nothing moves any more."""
    await page.until("!document.querySelector('[aria-busy=true]')")
    await page.run("Promise.all(document.getAnimations().map((animation) => animation.finished))")
    await page.run("new Promise((drawn) => setTimeout(drawn, 400))")
    shot = await page.tab.screenshot(animations="disabled")
    await anyio.Path(FOLDER / f"playground-{name}.png").write_bytes(small(shot))


if __name__ == "__main__":
    anyio.run(main)
