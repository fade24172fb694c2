"""The system's Chromium through Playwright: what a visitor does with mouse and keyboard, and what the page says."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser as Chromium
from playwright.async_api import ConsoleMessage, Error, Request, async_playwright
from playwright.async_api import Page as Tab
from playwright.async_api import TimeoutError as TooLate

from tests.harness.patience import PATIENCE_SECONDS, eventually

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--disable-quic", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-component-update")
START_SECONDS = PATIENCE_SECONDS
WAIT_SECONDS = PATIENCE_SECONDS
HERE = ("http://127.0.0.1:", "data:", "about:", "blob:")
LATER = 3_600_000
"""Milliseconds ahead of a page's time, where it is stopped: it can only be stopped ahead of it."""
IN_VIEW = """new Promise((seen) => new IntersectionObserver(([entry], observer) => {
  observer.disconnect();
  seen(entry.intersectionRatio > 0.99);
}).observe([...document.querySelectorAll('SELECTOR')].at(-1)))"""
LOOK = "() => { try { const so = SO; return so instanceof Node ? true : so; } catch { return false; } }"


class BrowserError(Exception):
    """The browser is not there, or a script threw."""


@dataclass  # no slots: Playwright keeps a note on each listener
class BrowserPage:
    """One tab, and what went wrong in it so far."""

    tab: Tab
    wrong: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Take down exceptions, logged errors and requests to elsewhere."""
        self.tab.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.tab.on("console", self._logged)
        self.tab.on("request", self._asked)

    def _logged(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.wrong.append(f"{message.text} ({message.location['url']})")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(HERE):
            self.wrong.append(request.url)

    async def open(self, url: str) -> None:
        """Load an address and wait until its scripts have run."""
        await self.tab.goto(url, wait_until="load")

    async def run(self, script: str) -> Any:
        """Return the value of an expression; raises `BrowserError` with what it threw."""
        try:
            return await self.tab.evaluate(script)
        except Error as error:
            raise BrowserError(error.message) from None

    async def until(self, script: str, seconds: float = WAIT_SECONDS) -> Any:
        """Return the expression's value once it is true; raises TimeoutError naming it.

        An expression that throws is not true yet; an element comes back as True.
        """
        try:
            handle = await self.tab.wait_for_function(LOOK.replace("SO", script), timeout=seconds * 1000, polling=30)
        except TooLate:
            raise TimeoutError(f"not so within {seconds} s: {script}") from None
        return await handle.json_value()

    async def click(self, selector: str) -> None:
        """Press the last visible element of a selector, as a mouse does; raises TimeoutError."""
        try:
            await self.tab.locator(selector).filter(visible=True).last.click(timeout=WAIT_SECONDS * 1000)
        except TooLate as error:
            raise TimeoutError(f"cannot be pressed: {selector}: {error.message}") from None

    async def type(self, text: str) -> None:
        """Type text where the focus is."""
        await self.tab.keyboard.insert_text(text)

    async def key(self, name: str, *, shift: bool = False) -> None:
        """Press a key."""
        await self.tab.keyboard.press(f"Shift+{name}" if shift else name)

    async def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """Set the window's size and whether the system prefers dark colours."""
        await self.tab.set_viewport_size({"width": width, "height": height})
        await self.tab.emulate_media(color_scheme="dark" if dark else "light")

    async def picture(self, path: Path) -> None:
        """Write what is seen into a PNG file."""
        await self.tab.screenshot(path=path, animations="disabled")

    async def is_in_view(self, selector: str) -> bool:
        """Return whether the last element of a selector is seen whole: within the window and all that scrolls."""
        seen: bool = await self.run(IN_VIEW.replace("SELECTOR", selector))
        return seen

    async def until_in_view(self, selector: str) -> None:
        """Wait until the last element of a selector is seen whole: the page scrolls a frame after it draws."""
        await eventually(lambda: self.is_in_view(selector))

    async def stop_time(self) -> None:
        """Let the page's timers stand still until `pass_time`; what arrives over the network goes on."""
        await self.tab.clock.install()
        await self.tab.clock.pause_at(await self.run(f"Date.now() + {LATER}"))

    async def pass_time(self, seconds: float) -> None:
        """Let this much of the page's time pass at once."""
        await self.tab.clock.run_for(round(seconds * 1000))

    def complaints(self) -> list[str]:
        """Return what went wrong in the page: exceptions, errors it logged, requests to elsewhere."""
        return list(self.wrong)


@dataclass(frozen=True, slots=True)
class Browser:
    """A running browser."""

    chromium: Chromium

    @asynccontextmanager
    async def page(self) -> AsyncIterator[BrowserPage]:
        """Open a tab of its own storage, as another person's browser would be, and close it in the end."""
        context = await self.chromium.new_context()
        page = BrowserPage(await context.new_page())
        page.listen()
        try:
            yield page
        finally:
            await context.close()


def found() -> str | None:
    """Return the browser's command, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Run a browser with a fresh profile; raises `BrowserError` where none is installed."""
    command = found()
    if command is None:
        raise BrowserError(f"None of {', '.join(NAMES)} is installed: apt-get install chromium")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=command, args=FLAGS, chromium_sandbox=False, timeout=START_SECONDS * 1000
        )
        try:
            yield Browser(chromium)
        finally:
            await chromium.close()
