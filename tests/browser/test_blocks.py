"""Block Kit as the page draws it, and the events an app receives when it is used."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, BrowserPage
from tests.browser.conftest import INSIDE
from tests.browser.gallery import HOSTILE, MESSAGE, Gallery, running_gallery
from vpsops.playground.slack.rendering.limit_tables import BLOCKS

OPS = "C0OPS"
NOT_DRAWN = {"video", "data_visualization"}


@pytest.fixture(scope="module")
async def gallery() -> AsyncIterator[Gallery]:
    async with running_gallery() as running:
        yield running


@pytest.fixture
async def shown(browser: Browser, gallery: Gallery) -> AsyncIterator[BrowserPage]:
    gallery.heard.clear()
    async with browser.page() as page:
        await page.size(1440, 1400)
        await page.open(f"{gallery.url}/{INSIDE}")
        await page.until("document.querySelector('.rooms [data-channel=C0OPS]')")
        yield page
        complaints = page.complaints()
    assert not complaints, complaints


async def posted(page: BrowserPage, gallery: Gallery) -> None:
    await gallery.client.chat_postMessage(channel=OPS, text="all", blocks=MESSAGE)
    await page.until("document.querySelector('.message .table td')")


async def test_every_block_of_a_message_is_drawn(shown: BrowserPage, gallery: Gallery, pictures: Path) -> None:
    """People see headers, fields, controls, tables and rich text as Slack's clients show them."""
    await posted(shown, gallery)
    await shown.picture(pictures / "blocks.png")
    there = "(selector) => document.querySelector('.message:last-of-type ' + selector) !== null"
    for selector in (
        ".header",
        ".fields",
        "hr",
        ".context",
        ".picture",
        "[data-action=go].danger",
        "select[data-action=pick]",
        "input[type=date]",
        "input[type=radio]",
        "[role=combobox]",
        ".table th",
        ".rich li",
        "blockquote",
        ".mention",
    ):
        assert await shown.run(f"({there})('{selector}')"), selector


async def test_a_block_that_is_not_known_shows_as_itself(shown: BrowserPage, gallery: Gallery) -> None:
    """Nothing an app sends is left out silently."""
    await posted(shown, gallery)
    words = await shown.run("[...document.querySelectorAll('.unknown')].at(-1).textContent")
    assert "video" in words
    assert "A film" in words


async def test_the_page_knows_every_block_the_workspace_takes(shown: BrowserPage) -> None:
    """Whatever passes the workspace's limits is drawn, but for the two that show as themselves."""
    drawn = await shown.run("import('/static/js/blocks.js').then((module) => Object.keys(module.BLOCKS))")
    assert set(BLOCKS) - set(drawn) == NOT_DRAWN


async def test_text_from_outside_stays_text(shown: BrowserPage, gallery: Gallery) -> None:
    """Markup in a text is shown, never parsed; a link that is none of the web stays text; escapes make no mention."""
    await posted(shown, gallery)
    assert await shown.run("document.querySelectorAll('.message img').length") == 0
    assert HOSTILE in await shown.run("document.querySelector('.message').textContent")
    assert await shown.run(
        "[...document.querySelectorAll('.message a')].every((link) => link.href.startsWith('https://'))"
    )
    assert await shown.run("document.querySelector('.message .mention.loud') === null")


async def test_a_confirm_dialog_stands_before_the_press(shown: BrowserPage, gallery: Gallery) -> None:
    """Stay does nothing, Go does."""
    await posted(shown, gallery)
    await shown.click("[data-action=go]")
    await shown.until("document.querySelector('.sheet.narrow').textContent.includes('It is gone then.')")
    await shown.until("document.querySelector('.sheet').contains(document.activeElement)")  # it hears keys by now
    await shown.key("Escape")
    await shown.until("!document.querySelector('.sheet')")
    await shown.click("[data-action=go]")
    await shown.click("[data-confirm=yes]")
    await gallery.workspace.wait_for(lambda: gallery.heard)
    assert [item["actions"][0]["action_id"] for item in gallery.heard] == ["go"]


async def test_a_menu_of_the_app_offers_what_the_app_answers(shown: BrowserPage, gallery: Gallery) -> None:
    """What is typed goes to the app, and what it offers can be chosen."""
    await posted(shown, gallery)
    await shown.click("[data-action=find]")
    await shown.type("os")
    await shown.click("[role=listbox] [role=option]")
    await gallery.workspace.wait_for(lambda: gallery.heard)
    assert gallery.heard[0]["actions"][0]["selected_option"]["value"] == "os-offered"


async def test_an_overflow_menu_goes_by_keyboard(shown: BrowserPage, gallery: Gallery) -> None:
    """It opens, moves and chooses without a mouse."""
    await posted(shown, gallery)
    await shown.run("[...document.querySelectorAll('[data-action=more]')].at(-1).focus()")
    await shown.key("Enter")
    await shown.until("document.activeElement.getAttribute('role') === 'menuitem'")
    await shown.key("ArrowDown")
    await shown.key("Enter")
    await gallery.workspace.wait_for(lambda: gallery.heard)
    assert gallery.heard[0]["actions"][0]["selected_option"]["value"] == "second"


async def typed(page: BrowserPage, selector: str, text: str) -> None:
    await page.click(selector)
    await page.run(f"document.querySelector({selector!r}).select()")
    await page.type(text)


async def test_modals_stack_keep_what_was_entered_and_show_what_is_wrong(
    shown: BrowserPage, gallery: Gallery, pictures: Path
) -> None:
    """A second modal covers the first, which is as it was afterwards; errors stand under their fields."""
    await typed(shown, "#composer", "/vps open")
    await shown.key("Enter")
    await typed(shown, ".sheet [data-action=name]", "wrong")
    await shown.click(".sheet [data-action=push]")
    await shown.until("document.querySelector('.sheet form:not([hidden]) [data-action=city]')")
    await shown.picture(pictures / "modal-second.png")
    await shown.key("Escape")
    await shown.until("document.querySelector('.sheet form:not([hidden]) [data-action=name]')?.value === 'wrong'")
    await shown.click(".sheet [data-submit=form]")
    await shown.until("document.querySelector('.sheet [role=alert]')?.textContent === 'Not that one.'")
    assert await shown.run("document.querySelector('.sheet [data-action=name]').getAttribute('aria-invalid')") == "true"
    await shown.picture(pictures / "modal-wrong.png")
    await typed(shown, ".sheet [data-action=name]", "right")
    await shown.key("Enter")
    await shown.until("!document.querySelector('.sheet')")
    assert {"submitted": "right"} in gallery.heard


async def test_private_messages_threads_and_edits_look_different(shown: BrowserPage, gallery: Gallery) -> None:
    """Only the person addressed sees a private message; replies stand under what they answer; an edit says so."""
    first = await gallery.client.chat_postMessage(channel="C0GENERAL", text="before")
    await gallery.client.chat_postMessage(channel="C0GENERAL", text="a reply", thread_ts=first["ts"])
    await gallery.client.chat_update(channel="C0GENERAL", ts=first["ts"], text="after")
    await gallery.client.chat_postEphemeral(channel="C0GENERAL", user="U0ALICE", text="for Alice")
    await shown.click("[data-channel=C0GENERAL]")
    await shown.until("document.querySelector('.message.private')?.textContent.includes('for Alice')")
    head = await shown.run(f"document.querySelector('[data-ts=\"{first['ts']}\"]').textContent")
    assert "after" in head
    assert "(edited)" in head
    assert await shown.run("document.querySelector('.thread .message').textContent.includes('a reply')")
    await shown.click("[data-person=U0BOB]")
    await shown.until("document.querySelector('.thread') && !document.querySelector('.message.private')")


async def test_the_home_tab_is_drawn(shown: BrowserPage) -> None:
    """Opening it sends an event to the app, which publishes it."""
    await shown.run("import('/static/js/store.js').then((store) => store.set({ channel: 'home' }))")
    await shown.until("document.querySelector('.home .header')?.textContent === 'Welcome home'")
