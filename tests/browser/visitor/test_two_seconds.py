"""Each scene notices another way within two seconds of the page's own time; and where its moment is seen."""

import json
from typing import Final

import pytest

from tests.browser.chromium import BrowserPage
from tests.browser.visitor.test_other_ways import ASTRAY, PASSED, STEP, begin

NOTICED_SECONDS: Final = 2
MODULES: Final = """Promise.all(['store', 'scenes', 'look', 'hands'].map((name) => import(`/static/js/${name}.js`)))
  .then(([store, scenes, look, hands]) => { window.vpsops = { ...store, ...scenes, ...look, ...hands }; })"""
KNOWN: Final = """(() => { const { tour } = vpsops.state;
  const scene = vpsops.SCENES.find(({ id }) => id === tour.scene);
  return Boolean(scene.astray(vpsops.looking(tour.base), tour.step)); })()"""
"""Whether what the page was sent shows another way: from here on its own time counts."""


async def order(page: BrowserPage, path: str, body: object) -> None:
    """Send one of the page's own orders, as another window of the same person would."""
    await page.run(f"vpsops.order('{path}', {json.dumps(body)}).then(() => 0)")


async def press(page: BrowserPage, selector: str) -> None:
    """Press the last of a selector without waiting for the page's time."""
    await page.until(f"document.querySelector(`{selector}`)")
    await page.run(f"[...document.querySelectorAll(`{selector}`)].at(-1).click()")


async def become_bob(page: BrowserPage) -> None:
    await page.run("vpsops.become('U0BOB'); vpsops.set({ channel: 'C0APPROVALS' });")


async def ask_for_a_change(page: BrowserPage) -> None:
    text = "reboot web01 because I can"
    await order(page, "slack/command", {"user": "U0ALICE", "channel": "C0OPS", "command": "/vps", "text": text})


async def cancel(page: BrowserPage) -> None:
    await press(page, ".messages [data-action='vps:cancel']")


async def approve_as_bob(page: BrowserPage) -> None:
    await become_bob(page)
    await press(page, ".messages [data-action='vps:approve']")


async def close_the_form(page: BrowserPage) -> None:
    await page.until("document.querySelector('.sheet [role=combobox]')")
    await press(page, ".sheet form:not([hidden]) .foot .button:not(.primary)")


async def call_before_the_fault(page: BrowserPage) -> None:
    spec = {"hostname": "soon01.example.com", "plan": "vps-2gb-1cpu", "region": "oslo", "os_template": "debian-12"}
    await order(page, "agent/call", {"tool": "vps_create", "arguments": spec})


async def deny_as_bob(page: BrowserPage) -> None:
    await become_bob(page)
    await press(page, ".messages [data-action='vps:deny']")
    await page.until("document.querySelector('.sheet [data-action=reason]')")
    await page.run(
        "(() => { const field = document.querySelector('.sheet [data-action=reason]'); field.value = 'no';"
        " field.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )
    await press(page, ".sheet [data-submit='vps:deny']")


WAYS: Final = {
    "command": (0, ask_for_a_change, "this scene is about reading"),
    "confirmation": (1, cancel, "was cancelled"),
    "approval": (1, approve_as_bob, "Bob approved before Alice had tried"),
    "provisioning": (1, close_the_form, "The form was closed"),
    "failure": (0, call_before_the_fault, "before its answer was set to be lost"),
    "outsider": (1, deny_as_bob, "Bob denied it before Dave had tried"),
}
"""Of each scene: after how many steps, what is done instead of the next, and what the scene says then."""


@pytest.mark.parametrize("scene", WAYS)
async def test_another_way_is_noticed_within_two_seconds(page: BrowserPage, scene: str) -> None:
    """Counted from when the page was sent what shows it; the page's clock stands still but for these two seconds."""
    steps, another_way, words = WAYS[scene]
    await begin(page, scene, steps)
    await page.until(f"{STEP} === '{steps}' && document.querySelector('#do-it[aria-busy=false]')")
    await page.run(MODULES)
    await page.stop_time()
    await another_way(page)
    await page.until(KNOWN)
    await page.pass_time(NOTICED_SECONDS)
    await page.until(f"{ASTRAY}?.includes('{words}')")
    if scene == "failure":
        await page.run("vpsops.show('panel', 'agent')")
        await press(page, ".call.asks .question .foot .button:not(.primary)")


async def test_every_scene_has_another_way(page: BrowserPage) -> None:
    await page.run(MODULES)
    assert await page.run("vpsops.SCENES.map(({ id }) => id)") == list(WAYS)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
async def test_the_moment_of_the_lost_answer_is_in_view(page: BrowserPage, width: int, height: int) -> None:
    """That the outcome is unknown, and that it was found, each in words, whole, and without scrolling."""
    await page.size(width, height)
    await begin(page, "failure", 2)
    await page.until(f"{STEP} === '2' && document.querySelector('#do-it[aria-busy=false]')")
    await page.until_in_view(".call.asks .question .primary")
    await page.click("#do-it")
    await page.until(f"{STEP} === '3'")
    for event, words in (("outcome_unknown", "not sent again"), ("adopted", "it took effect once")):
        moment = f".change[open] [data-event={event}]"
        await page.until(f"document.querySelector('{moment}')?.textContent.includes('{words}')")
        await page.until_in_view(moment)
    await page.until(PASSED)
    await page.until_in_view(".change[open] [data-event=outcome_unknown]")
    await page.until_in_view(".passed")
