"""A visitor who does not follow the tour: other orders of the steps, reload and Back, two windows, a keyboard alone."""

from typing import Final

from tests.browser.chromium import Browser, BrowserPage
from tests.browser.conftest import INSIDE
from tests.browser.test_page import typed

STEP: Final = "document.querySelector('[data-scene-state]')?.dataset.step"
ASTRAY: Final = "document.querySelector('.astray')?.textContent"
PASSED: Final = "document.querySelector('[data-scene-state=passed]')"


async def begin(page: BrowserPage, scene: str, steps: int) -> None:
    """Begin a scene and let the page do its first steps."""
    await page.click("#tour")
    await page.click(f".scenes [data-scene={scene}]")
    for step in range(steps):
        await page.until(f"{STEP} === '{step}' && document.querySelector('#do-it[aria-busy=false]')")
        await page.click("#do-it")
        await page.until(f"{STEP} === '{step + 1}'")


async def again(page: BrowserPage) -> None:
    """Begin the scene again, and see that it stands at its first step."""
    await page.click("#again")
    await page.until(f"document.querySelector('[data-scene-state=running]') && {STEP} === '0'")
    assert not await page.run("document.querySelector('.astray') !== null")


async def test_bob_may_approve_before_alice_tries(page: BrowserPage) -> None:
    """What the card invites to: the scene says so, and goes on to its end."""
    await begin(page, "approval", 1)
    await page.click("[data-person=U0BOB]")
    await page.click(".messages [data-action='vps:approve']")
    await page.until(f"{ASTRAY}?.includes('Bob approved before Alice had tried')")
    await page.click("#go-on")
    await page.until(PASSED)


async def test_a_change_that_is_cancelled_begins_again(page: BrowserPage) -> None:
    await begin(page, "confirmation", 1)
    await page.click(".messages [data-action='vps:cancel']")
    await page.until(f"{ASTRAY}?.includes('was cancelled')")
    await again(page)


async def test_a_form_that_is_closed_is_opened_again(page: BrowserPage) -> None:
    await begin(page, "provisioning", 1)
    await page.until("document.querySelector('.sheet [role=combobox]')")
    await page.key("Escape")
    await page.until(f"{ASTRAY}?.includes('The form was closed')")
    await page.click("#go-on")
    await page.until(f"{STEP} === '0' && document.querySelector('#do-it')")


async def test_a_call_before_its_fault_begins_again(page: BrowserPage) -> None:
    await begin(page, "failure", 0)
    await page.until("document.querySelector('#do-it')")
    spec = "{ hostname: 'early01.example.com', plan: 'vps-2gb-1cpu', region: 'oslo', os_template: 'debian-12' }"
    call = f"hands.go({{ panel: 'agent' }}).then(() => hands.callTool('vps_create', {spec}))"
    await page.run(f"import('/static/js/hands.js').then((hands) => {call})")
    await page.until(f"{ASTRAY}?.includes('before its answer was set to be lost')")
    await page.click(".call.asks .question .foot .button:not(.primary)")
    await again(page)


async def test_a_denial_before_the_outsider_tries_goes_on(page: BrowserPage) -> None:
    await begin(page, "outsider", 1)
    await page.click("[data-person=U0BOB]")
    await page.click("[data-channel=C0APPROVALS]")
    await page.click(".messages [data-action='vps:deny']")
    await page.until("document.querySelector('.sheet [data-action=reason]')")
    await page.run("import('/static/js/hands.js').then((hands) => hands.enter('.sheet [data-action=reason]', 'no'))")
    await page.click(".sheet [data-submit='vps:deny']")
    await page.until(f"{ASTRAY}?.includes('Bob denied it before Dave had tried')")
    await page.click("#go-on")
    await page.until(PASSED)


async def test_a_change_in_the_scene_of_reading_is_noticed(page: BrowserPage) -> None:
    await begin(page, "command", 0)
    await page.until("document.querySelector('#do-it')")
    await typed(page, "/vps reboot web01 because I can")
    await page.until(f"{ASTRAY}?.includes('this scene is about reading')")
    await again(page)


async def test_no_selector_is_shown_where_a_step_cannot_be_done(page: BrowserPage) -> None:
    """A card that is gone: the page says that something else happened first."""
    await begin(page, "confirmation", 1)
    await page.run("import('/static/js/store.js').then((store) => store.set({ channel: 'C0GENERAL' }))")
    gone = "document.querySelectorAll('.messages button').forEach((button) => button.removeAttribute('data-action'))"
    await page.run(f"new MutationObserver(() => {gone}).observe(document.body, {{ childList: true, subtree: true }})")
    await page.click("#do-it")
    await page.until(f"{ASTRAY}?.includes('something else happened first')")
    text = await page.run("document.body.textContent")
    assert "data-action" not in text


async def test_reload_and_back_return_to_the_place(page: BrowserPage) -> None:
    """Person, channel, panel and scene are in the address."""
    await begin(page, "confirmation", 1)
    await page.click("[data-panel=truth]")
    await page.until("location.hash.includes('beside=truth')")
    await page.run("location.reload()")
    await page.until(f"{STEP} === '1' && document.querySelector('#tab-truth[aria-selected=true]')")
    await page.click("[data-person=U0BOB]")
    await page.click("[data-channel=C0GENERAL]")
    await page.until("document.querySelector('[data-channel=C0GENERAL][aria-current=page]')")
    await page.run("history.back()")
    await page.until("document.querySelector('[data-channel=C0OPS][aria-current=page]')")
    assert await page.run("document.querySelector('[data-person=U0BOB]').ariaPressed") == "true"
    await page.run("history.back()")
    await page.until("document.querySelector('[data-person=U0ALICE]').ariaPressed === 'true'")


async def test_a_form_is_open_where_it_was_opened(page: BrowserPage, browser: Browser, playground: str) -> None:
    """The same person in another window is not interrupted; a reload keeps the form."""
    async with browser.page() as other:
        await other.size(1024, 800)
        await other.open(f"{playground}/{INSIDE}")
        await other.until("document.querySelector('#composer')")
        await typed(page, "/vps create")
        await page.until("document.querySelector('.sheet [role=combobox]')")
        await typed(other, "/vps regions")
        await other.until("document.querySelector('.messages').textContent.includes('Regions')")
        assert not await other.run("document.querySelector('.sheet') !== null")
        assert other.complaints() == []
    await page.run("location.reload()")
    await page.until("document.querySelector('.sheet [role=combobox]')")
    await page.key("Escape")
    await page.until("!document.querySelector('.sheet')")


async def test_a_command_stays_visible_to_the_one_who_typed_it(page: BrowserPage) -> None:
    """Above its answer, also after a reload; the arrow up brings it back, and no one else sees it."""
    await typed(page, "/vps regions")
    await page.until("[...document.querySelectorAll('.typed')].at(-1)?.textContent.includes('/vps regions')")
    await page.run("document.querySelector('#composer').focus()")
    await page.key("ArrowUp")
    await page.until("document.querySelector('#composer').value === '/vps regions'")
    await page.run("location.reload()")
    await page.until("[...document.querySelectorAll('.typed')].at(-1)?.textContent.includes('/vps regions')")
    await page.click("[data-person=U0BOB]")
    await page.until("document.querySelector('[data-person=U0BOB]').ariaPressed === 'true'")
    assert not await page.run("document.querySelector('.typed') !== null")


async def test_servers_are_completed(page: BrowserPage) -> None:
    """Behind a command that takes one."""
    await page.run("document.querySelector('#composer').focus()")
    await page.type("/vps status web")
    await page.until(
        "document.querySelector('#offers [role=option]')?.textContent.includes('/vps status web01.example.com')"
    )
    await page.key("Tab")
    assert await page.run("document.querySelector('#composer').value") == "/vps status web01.example.com"


async def test_the_form_for_a_server_is_filled_by_keyboard_alone(page: BrowserPage) -> None:
    """Arrows move within a menu, Enter chooses and does not send, Escape closes, Tab leaves for the next field."""
    await page.run("document.querySelector('#composer').focus()")
    await page.type("/vps create keys01.example.com")
    await page.key("Enter")
    await page.until("document.activeElement?.closest('.sheet .body')")
    for name, value in {"plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}.items():
        for _ in range(12):
            if await page.run("document.activeElement.dataset.action") == name:
                break
            await page.key("Tab")
        field = f"document.querySelector('.sheet [data-action={name}]')"
        assert await page.run(f"document.activeElement === {field}"), name
        await page.key("ArrowDown")
        await page.until(f"{field}.ariaExpanded === 'true'")
        active = f"document.getElementById({field}.getAttribute('aria-activedescendant'))?.dataset.value"
        for _ in range(40):
            await page.key("ArrowDown")
            if await page.run(active) == value:
                break
        assert await page.run(active) == value
        await page.key("Enter")
        await page.until(f"{field}.ariaExpanded === 'false' && {field}.value !== ''")
    await page.until("document.querySelector('.sheet').textContent.includes('Total: 199')")
    await page.key("Enter")
    await page.until("document.querySelector('.sheet').textContent.includes('keys01.example.com')")
    await page.until("!document.querySelector('.sheet [role=combobox]')")


async def test_the_end_of_the_tour_leads_on(page: BrowserPage) -> None:
    """To an assistant of one's own, to the set-up, to the policy."""
    await page.run(
        "Promise.all([import('/static/js/store.js'), import('/static/js/scenes.js')]).then(([store, scenes]) =>"
        " store.set({ tour: { ...store.state.tour, scene: 'outsider', step: scenes.SCENES.at(-1).steps.length,"
        " base: { ts: '0', changes: new Set(), effect: 0, call: 0, fresh: 'x' } } }))"
    )
    await page.until("document.querySelector('.onward')?.textContent.includes('vpsops init')")
    await page.click("#own-assistant")
    await page.until("document.querySelector('.hosts').open && document.activeElement.closest('.hosts')")
