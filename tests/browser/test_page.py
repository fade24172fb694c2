"""The page itself: keyboards, screen readers, phones, two themes, several browsers, and nothing from elsewhere."""

from pathlib import Path

import pytest

from tests.browser.chromium import Browser, BrowserPage
from tests.browser.conftest import INSIDE

PANELS = ("agent", "provider", "truth")
WIDTHS = (360, 390, 768, 1024, 1440)
UNNAMED = """[...document.querySelectorAll('button, input, select, textarea, a[href], [role=tab]')]
  .filter((node) => node.checkVisibility())
  .filter((node) => !(node.ariaLabel || node.textContent.trim() || node.labels?.length || node.title))
  .map((node) => node.outerHTML.slice(0, 120))"""
# WCAG 2.2, 1.4.3: the ratio of every text's colour to what is behind it; large text and the disabled need less.
PALE = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = (colour) => colour.slice(0, 3).map((channel) => channel / 255).map((channel) => (channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4)).reduce((sum, channel, at) => sum + channel * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (node) => { for (; node; node = node.parentElement) { const colour = rgba(getComputedStyle(node).backgroundColor); if (colour[3] === 255) return colour; } return [255, 255, 255, 255]; };
  const found = new Map();
  for (const node of document.querySelectorAll('body *')) {
    const words = [...node.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!words || !node.checkVisibility() || node.closest('option, script')) continue;
    const [dark, bright] = [light(rgba(getComputedStyle(node).color)), light(behind(node))].sort((a, b) => a - b);
    const ratio = (bright + 0.05) / (dark + 0.05);
    if (ratio < 4.5) found.set(`${node.tagName}.${node.className} ${ratio.toFixed(2)}`, node.textContent.slice(0, 40));
  }
  return [...found].map((node) => node.join(': '));
})()"""  # noqa: E501 - one expression for the page


async def typed(page: BrowserPage, text: str) -> None:
    await page.click("#composer")
    await page.type(text)
    await page.key("Enter")


async def test_a_command_is_completed_from_the_manifest_and_sent_by_keyboard_alone(page: BrowserPage) -> None:
    """Slash, Tab, arrow, Enter: a first command needs no mouse."""
    await page.run("document.querySelector('#composer').focus()")
    await page.type("/v")
    await page.until("document.querySelector('#offers [role=option]')?.textContent.startsWith('/vps')")
    await page.key("Tab")
    await page.until("document.querySelector('#composer').value === '/vps '")
    await page.key("ArrowDown")
    await page.until("document.querySelector('#offers [aria-selected=true]')?.textContent === '/vps list'")
    await page.key("Enter")
    await page.until("document.querySelector('#composer').value === '/vps list'")
    before = await page.run("document.querySelectorAll('.message.private').length")
    await page.key("Enter")
    await page.until(f"document.querySelectorAll('.message.private').length > {before}")


async def test_a_command_the_workspace_does_not_have_is_refused_as_slack_does(page: BrowserPage) -> None:
    """Nothing reaches the app, and the person sees the valid commands."""
    await typed(page, "/reboot web01")
    await page.until("document.querySelector('.notices').textContent.includes('/reboot is not a valid command')")


async def test_the_panels_are_tabs_for_a_keyboard(page: BrowserPage) -> None:
    """Arrows go from tab to tab, and the panel follows."""
    await page.run("document.querySelector('#tab-agent').focus()")
    for name in ("provider", "truth", "agent"):
        await page.key("ArrowRight")
        await page.until(f"document.activeElement.id === 'tab-{name}'")
        await page.until(f"document.querySelector('#panel').getAttribute('aria-labelledby') === 'tab-{name}'")


@pytest.mark.parametrize("dark", [False, True])
async def test_every_text_stands_out_and_every_control_has_a_name(
    page: BrowserPage, pictures: Path, dark: bool
) -> None:
    """In both themes, in every panel and on the first screen."""
    await page.size(1440, 900, dark=dark)
    await typed(page, "/vps list")
    await typed(page, "/vps reboot mail06 because it is slow")
    await page.until("document.querySelector('[data-action=\"vps:confirm\"]')")
    for panel in PANELS:
        await page.click(f"[data-panel={panel}]")
        await page.run("document.getAnimations().forEach((animation) => animation.finish())")
        await page.picture(pictures / f"{panel}-{'dark' if dark else 'light'}.png")
        assert await page.run(PALE) == [], panel
        assert await page.run(UNNAMED) == [], panel
    await page.click("[data-action='vps:cancel']")
    await page.until("!document.querySelector('[data-action=\"vps:cancel\"]')")
    await page.click("#tour")
    await page.until("document.querySelector('.start')")
    assert await page.run(PALE) == []
    assert await page.run(UNNAMED) == []


async def test_no_width_makes_the_page_scroll_sideways(page: BrowserPage, pictures: Path) -> None:
    """From a small phone to a desk, every part fits."""
    await typed(page, "/vps list")
    for width in WIDTHS:
        await page.size(width, 800)
        for name in PANELS:
            await page.run(f"import('/static/js/store.js').then((store) => store.show('panel', '{name}'))")
            await page.until(f"document.querySelector('#panel').getAttribute('aria-labelledby') === 'tab-{name}'")
            inside = (
                "document.documentElement.scrollWidth <= innerWidth && document.querySelector('#panel').scrollWidth"
            )
            assert await page.until(f"{inside} <= document.querySelector('#panel').clientWidth"), (width, name)
        await page.run("import('/static/js/store.js').then((store) => store.show('chat'))")
        assert await page.until(
            "document.querySelector('.messages').scrollWidth <= document.querySelector('.messages').clientWidth"
        )
        await page.picture(pictures / f"chat-{width}.png")


async def test_two_browsers_see_the_same_workspace_each_with_its_own_person(
    page: BrowserPage, browser: Browser, playground: str
) -> None:
    """What one person writes the other reads; what is private stays private."""
    async with browser.page() as other:
        await other.size(1024, 800)
        await other.open(f"{playground}/{INSIDE}")
        await other.until("document.querySelector('[data-person=U0BOB]')")
        await other.click("[data-person=U0BOB]")
        await other.until("document.querySelector('[data-person=U0BOB]').ariaPressed === 'true'")
        await typed(page, "hello from Alice")
        await other.until("document.querySelector('.messages').textContent.includes('hello from Alice')")
        await typed(page, "/vps regions")
        await page.until("document.querySelector('.messages').textContent.includes('Regions')")
        assert not await other.run("document.querySelector('.messages').textContent.includes('Regions')")
        assert other.complaints() == []


async def test_the_provider_can_be_made_to_fail_and_to_speak_otherwise(page: BrowserPage) -> None:
    """The controls reach the simulator, and the page describes the product's reaction in words."""
    await page.click("[data-panel=provider]")
    await page.click("[data-trouble=down]")
    await page.until("document.querySelector('.armed')?.textContent.includes('in force')")
    before = await page.run("document.querySelectorAll('.message.private').length")
    await typed(page, "/vps show web01")
    await page.until(f"document.querySelectorAll('.message.private').length > {before}")
    await page.click("[data-trouble=none]")
    await page.until("!document.querySelector('.armed')")
    for dialect in ("terraform", "seed"):
        await page.run(f"import('/static/js/hands.js').then((hands) => hands.enter('#dialect', '{dialect}'))")
        await page.until(f"document.querySelector('#dialect').value === '{dialect}'")
        count = await page.run("document.querySelectorAll('.message.private').length")
        await typed(page, "/vps list")
        await page.until(f"document.querySelectorAll('.message.private').length > {count}")
        assert "web01.example.com" in await page.run(
            "[...document.querySelectorAll('.message.private')].at(-1).textContent"
        )


async def test_a_server_changed_behind_our_back_shows_at_once(page: BrowserPage) -> None:
    """The panel's list is live."""
    await page.click("[data-panel=provider]")
    await page.click("[data-server='web01.example.com'] [aria-haspopup=menu]")
    await page.click("[data-server='web01.example.com'] [data-value=stopped]")
    await page.until("document.querySelector('[data-server=\"web01.example.com\"]').dataset.state === 'stopped'")
    await page.click("[data-server='web01.example.com'] [aria-haspopup=menu]")
    await page.click("[data-server='web01.example.com'] [data-value=running]")
    await page.until("document.querySelector('[data-server=\"web01.example.com\"]').dataset.state === 'running'")


async def test_an_agent_of_the_old_protocol_is_asked_while_its_call_waits(page: BrowserPage) -> None:
    """The same question reaches the page in both eras; declining it does nothing."""
    await page.click("[data-panel=agent]")
    spec = "{ hostname: 'old01.example.com', plan: 'vps-2gb-1cpu', region: 'oslo', os_template: 'debian-12' }"
    act = f"await hands.enter('#era', 'legacy'); await hands.callTool('vps_create', {spec});"
    await page.run(f"import('/static/js/hands.js').then(async (hands) => {{ {act} }})")
    await page.until("document.querySelector('.call.asks .question')")
    assert "MCP 2025" in await page.run("document.querySelector('.call.asks').textContent")
    await page.click(".call.asks .question .foot .button:not(.primary)")
    await page.until("document.querySelector('.calls .call').dataset.state === 'failed'")
