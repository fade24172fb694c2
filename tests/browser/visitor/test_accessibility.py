"""axe-core finds nothing in any state of the page: light and dark, on a phone, at twice the size."""

from typing import Final

import pytest

from tests.browser.chromium import BrowserPage
from tests.browser.test_page import typed
from tests.harness.repository import ROOT

AXE: Final = ROOT / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
SIZES: Final = {"desk": (1440, 900), "phone": (375, 812), "double": (720, 450)}  # a desk of 1440 points at 200 %
RUN: Final = """axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations.map((rule) =>
  `${rule.id} (${rule.impact}): ${rule.nodes.map((node) => node.html.slice(0, 100)).join(' | ')}`))"""
SCENES: Final = ("command", "confirmation", "approval", "provisioning", "failure", "outsider")


async def violations(page: BrowserPage) -> list[str]:
    """Return what axe complains about in the page as it stands."""
    assert AXE.exists(), "run make test-browser: it fetches axe-core"
    if not await page.run("Boolean(window.axe)"):
        await page.run(AXE.read_text(encoding="utf-8") + ";0")
    await page.run("document.getAnimations().forEach((animation) => animation.finish())")
    results: list[str] = await page.run(RUN)
    return results


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_no_state_of_the_page_has_a_violation(page: BrowserPage, size: str, dark: bool) -> None:
    """The first screen, each panel with a list and a card beside it, Home, a form, and each scene as it begins."""
    await page.size(*SIZES[size], dark=dark)
    results = await chat_and_panels(page)
    results["home"], results["form"] = await home_and_form(page)
    await page.click("#tour")
    results["start"] = await violations(page)
    for scene in SCENES:
        await page.click(f".scenes [data-scene={scene}]")
        await page.until("document.querySelector('[data-scene-state=running]')")
        results[scene] = await violations(page)
        await page.click("#tour")
    assert {state: rules for state, rules in results.items() if rules} == {}


async def chat_and_panels(page: BrowserPage) -> dict[str, list[str]]:
    await typed(page, "/vps list")
    await typed(page, "/vps reboot mail06 because it is slow")
    await page.until("document.querySelector('[data-action=\"vps:confirm\"]')")
    results = {"chat": await violations(page)}
    for panel in ("agent", "provider", "truth"):
        await page.run(f"import('/static/js/store.js').then((store) => store.show('panel', '{panel}'))")
        await page.until(f"document.querySelector('#panel').getAttribute('aria-labelledby') === 'tab-{panel}'")
        results[panel] = await violations(page)
    await page.run("import('/static/js/store.js').then((store) => store.show('chat'))")
    await page.click("[data-action='vps:cancel']")
    await page.until("!document.querySelector('[data-action=\"vps:cancel\"]')")
    return results


async def home_and_form(page: BrowserPage) -> tuple[list[str], list[str]]:
    await page.click("[data-channel=home]")
    await page.until("document.querySelector('.home').textContent.includes('As of')")
    home = await violations(page)
    await page.click("[data-channel=C0OPS]")
    await typed(page, "/vps create")
    await page.until("document.querySelector('.sheet [role=combobox]')")
    form = await violations(page)
    await page.key("Escape")
    await page.until("!document.querySelector('.sheet')")
    return home, form


async def test_menus_of_rows_have_names_of_their_own(page: BrowserPage) -> None:
    """A screen reader hears which server a menu is of."""
    await typed(page, "/vps list")
    await page.until("document.querySelector('.message.private .section [aria-haspopup=menu]')")
    last = "[...document.querySelectorAll('.message.private')].at(-1)"
    names = await page.run(
        f"[...{last}.querySelectorAll('.section [aria-haspopup=menu]')].map((item) => item.ariaLabel)"
    )
    assert len(names) == len(set(names)) >= 2
    assert any("web01.example.com" in name for name in names)


async def test_the_first_press_of_tab_skips_to_the_message_line(page: BrowserPage) -> None:
    """Past people, channels and old messages."""
    await page.run("document.activeElement.blur()")
    await page.key("Tab")
    assert await page.run("document.activeElement.textContent") == "Skip to the message line"
    await page.key("Enter")
    await page.until("document.activeElement.id === 'composer'")
