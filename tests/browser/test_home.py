"""App Home, shortcuts and menus that the app fills, as a visitor of the playground uses them."""

from pathlib import Path

from tests.browser.chromium import Browser, BrowserPage
from tests.browser.conftest import INSIDE
from tests.browser.test_page import PALE, UNNAMED, typed

HOME = "document.querySelector('.home')"
FORM = "document.querySelector('.sheet')"
CARD = "document.querySelector('[data-action=\"vps:confirm\"]')"


def contains(where: str, words: str) -> str:
    """Return the condition that a part of the page shows some words."""
    return f"{where}.textContent.includes({words!r})"


async def at_home(page: BrowserPage) -> None:
    """Open the home tab and wait until it is drawn."""
    await page.click(".rooms [data-channel=home]")
    await page.until(contains(HOME, "As of"))


async def test_home_shows_ones_own_changes_and_acts_on_them(page: BrowserPage, pictures: Path) -> None:
    """What was asked for in a channel waits on Home, where it can be withdrawn; settings stay as they were set."""
    await typed(page, "/vps reboot web01 because the sale")
    await page.until(CARD)
    await at_home(page)
    await page.until(contains(HOME, "Your changes (1)"))
    assert await page.run(contains(HOME, "Reason: the sale"))
    await page.run("document.getAnimations().forEach((animation) => animation.finish())")
    await page.picture(pictures / "home.png")
    assert await page.run(PALE) == []
    assert await page.run(UNNAMED) == []
    await page.click(".home [data-action='vps:cancel']")
    await page.until(contains(HOME, "cancelled"))
    await page.click(".home [data-action='vps:setting:1']")
    await page.until(contains(HOME, "Remind me to vote: off"))
    await page.click(".home [data-action='vps:setting:1']")
    await page.until(contains(HOME, "Remind me to vote: on"))


async def test_everybody_has_a_home_of_their_own_that_follows(
    page: BrowserPage, browser: Browser, playground: str
) -> None:
    """Agents paused by Bob are paused on Alice's open Home too, with his name, and go on again for both."""
    await at_home(page)
    async with browser.page() as other:
        await other.size(1024, 800)
        await other.open(f"{playground}/{INSIDE}")
        await other.until("document.querySelector('[data-person=U0BOB]')")
        await other.click("[data-person=U0BOB]")
        await at_home(other)
        await other.click(".home [data-action='vps:home_pause']")
        await other.click(".sheet .danger, .sheet .primary")
        await other.until(contains(HOME, "Agents are paused: bob"))
        await page.until(contains(HOME, "Agents are paused: bob"))
        await other.click(".home [data-action='vps:home_resume']")
        await other.click(".sheet .danger, .sheet .primary")
        await other.until(contains(HOME, "Agents may request changes"))
        assert other.complaints() == []


async def test_a_message_has_a_menu_with_the_apps_shortcut(page: BrowserPage, pictures: Path) -> None:
    """The servers a message names are offered; a name that is none leads to a menu the app fills."""
    await typed(page, "db01.example.com looks slow")
    await page.until(contains("document.querySelector('.messages')", "db01.example.com looks slow"))
    await page.click(".message:last-of-type > .menu > button")
    await page.click("[role=menuitem][data-value='vps:act_on']")
    await page.until(contains(FORM, "db01.example.com"))
    await page.picture(pictures / "shortcut.png")
    assert await page.run(UNNAMED) == []
    await page.click(".sheet [data-action='vps:pick']")
    await page.type("web01")
    await page.until("document.querySelectorAll('.sheet [role=option]').length === 1")
    await page.click(".sheet [role=option]")
    await page.until(contains(FORM, "web01.example.com"))
    await page.key("Escape")
    await page.until(f"!{FORM}")


async def test_the_plus_opens_the_form_whose_menus_the_app_fills(page: BrowserPage) -> None:
    """The global shortcut is beside the line one types into; a menu says when nothing is found."""
    await page.click("[data-action=shortcuts]")
    await page.click("[role=menuitem][data-value='vps:new_server']")
    await page.until("document.querySelector('.sheet [data-action=plan]')")
    await page.click(".sheet [data-action=plan]")
    await page.type("no such plan")
    await page.until(contains(FORM, "Nothing found"))
    await page.run(
        "import('/static/js/hands.js').then((hands) => hands.choose('.sheet [data-action=plan]', 'vps-2gb-1cpu'))"
    )
    await page.until(contains(FORM, "Total: 99"))
    await page.key("Escape")
    await page.until(f"!{FORM}")
