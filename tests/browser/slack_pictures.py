"""Draws what people see in Slack into docs/pictures/slack-*.png: `python -m tests.browser.slack_pictures [NAME…]`."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from slack_bolt.async_app import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient

from tests.browser.chromium import BrowserPage, running_browser
from tests.browser.conftest import INSIDE
from tests.browser.png_palette import small
from tests.browser.surfaces.catalogue import PHONE_WIDTH, WIDE, Surface, as_markdown, looks_of, surfaces
from tests.unit.playground.slack.apps import bolt_app, over_http
from vpsops.playground.slack.workspace.config import Rates
from vpsops.playground.slack.workspace.rates import RateLimits
from vpsops.playground.wayscloud.serve import listen
from vpsops.playground.web.asgi_server import served
from vpsops.playground.web.runtime import RuntimeOptions, running_ground

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
PREFIX = "slack-"
CHANNEL, PERSON = "C0OPS", "U0ALICE"
STILL = """(async () => {
    await document.fonts.ready;
    document.querySelectorAll('.message time.muted').forEach((node) => { node.textContent = '9:00 AM'; });
})()"""
"""What changes with every run stays out of the pictures."""

COMMAND = f"""import('/static/js/store.js').then(
    (store) => store.slack('command', {{ channel: '{CHANNEL}', command: '/vps', text: 'show' }})
)"""
"""The page gives the command itself: it shows only the forms that it opened."""


@dataclass(slots=True)
class Studio:
    """A page, the app behind it, and the view that the app shows next."""

    url: str
    client: AsyncWebClient
    view: dict[str, Any] = field(default_factory=dict)


@asynccontextmanager
async def running_studio() -> AsyncIterator[Studio]:
    """Serve a page over a workspace with an app that shows its input."""
    async with running_ground(RuntimeOptions()) as ground:
        ground.workspace.rates = RateLimits(Rates(enforced=False))
        app = bolt_app(ground.workspace)
        with listen(0) as listener:
            async with served(ground, listener), over_http(ground.workspace, app):
                studio = Studio(ground.url, app.client)

                async def opened(ack: AsyncAck, body: dict[str, Any]) -> None:
                    await ack()
                    await studio.client.views_open(trigger_id=body["trigger_id"], view=studio.view)

                async def went_home(ack: AsyncAck) -> None:
                    await ack()

                app.command("/vps")(opened)
                app.event("app_home_opened")(went_home)
                yield studio


async def enter(page: BrowserPage, studio: Studio) -> None:
    """Open the studio's page in a person's channel."""
    await page.size(WIDE, 1800)
    await page.open(f"{studio.url}/{INSIDE}")
    await page.until("document.querySelector('.rooms [data-channel=C0OPS]')")


async def draw(page: BrowserPage, studio: Studio, name: str, surface: Surface, folder: Path = FOLDER) -> None:
    """Draw one thing, in each of its looks."""
    for look in looks_of(name):
        await page.size(look.width, 1800, dark=look.dark)
        selector = await {"message": _message, "modal": _modal, "home": _home}[surface.kind](page, studio, surface)
        await page.run(STILL)
        element = page.tab.locator(selector).last
        await element.scroll_into_view_if_needed()
        shot = await element.screenshot(animations="disabled")
        await anyio.Path(folder / f"{PREFIX}{name}{look.suffix}.png").write_bytes(small(shot))
        if surface.kind == "modal":
            await page.key("Escape")
            await page.until("!document.querySelector('.sheet')")


async def _message(page: BrowserPage, studio: Studio, surface: Surface) -> str:
    payload = dict(surface.payload)
    answer = await studio.client.chat_postMessage(channel=CHANNEL, text=payload["text"], blocks=payload["blocks"])
    selector = f'[data-ts="{answer["ts"]}"]'
    await page.until(f"document.querySelector('{selector}')")
    return selector


async def _modal(page: BrowserPage, studio: Studio, surface: Surface) -> str:
    studio.view = dict(surface.payload)
    await page.run(COMMAND)
    await page.until("document.querySelector('.sheet form:not([hidden])')")
    return ".sheet"


async def _home(page: BrowserPage, studio: Studio, surface: Surface) -> str:
    await studio.client.views_publish(user_id=PERSON, view=dict(surface.payload))
    await page.run("import('/static/js/store.js').then((store) => store.set({ channel: 'home' }))")
    first = next(item for item in surface.payload["blocks"] if item["type"] in {"section", "header"})
    words = first["text"]["text"][:30]
    await page.until(f"document.querySelector('.home')?.textContent.includes({words!r})")
    await page.run("(document.querySelector('.home').style.cssText = 'height: max-content; flex: none; padding: 1rem')")
    return ".home"


async def main(expected: Mapping[str, Surface]) -> None:
    """Draw the wanted ones; messages and forms first, then Home, which leaves the channel."""
    async with running_studio() as studio, running_browser() as browser, browser.page() as page:
        await enter(page, studio)
        for kind in ("message", "modal", "home"):
            for name, surface in expected.items():
                if surface.kind == kind:
                    await draw(page, studio, name, surface)


def write_page() -> None:
    """Write the page of the docs that shows them all."""
    head = "# What it looks like in Slack\n\n"
    head += (
        "Drawn by `make pictures` from what the bot really sends. Slack's own clients differ in detail. Each state of a"
    )
    head += f" card is shown in light and dark colours, on a phone ({PHONE_WIDTH} pixels), and as a screen reader has"
    head += " it.\n\n"
    (FOLDER.parent / "slack-pictures.md").write_text(head + as_markdown(Path("pictures")), encoding="utf-8")


if __name__ == "__main__":
    chosen = surfaces()
    write_page()
    anyio.run(main, {name: value for name, value in chosen.items() if not sys.argv[1:] or name in sys.argv[1:]})
