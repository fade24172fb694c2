"""The system's Chromium, driven by its own DevTools protocol over a websocket: no dependency is needed for it."""

import asyncio
import base64
import itertools
import json
import re
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import anyio

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
START_SECONDS = 30.0
ANSWER_SECONDS = 60.0
WAIT_SECONDS = 5.0
KEYS = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "ArrowRight": 39, "ArrowLeft": 37, " ": 32}
THROWN = "Runtime.exceptionThrown"
HERE = ("http://127.0.0.1:", "data:", "about:")
Json = dict[str, Any]
LOOK = """(async () => {
  const end = Date.now() + LIMIT;
  for (;;) {
    let so = false;
    try { so = await (SO); } catch { so = false; }
    if (so || Date.now() > end) return so instanceof Node ? true : so;
    await new Promise((go) => setTimeout(go, 30));
  }
})()"""
PLACE = """(() => {
  const one = [...document.querySelectorAll(SELECTOR)].filter((each) => each.checkVisibility()).at(-1);
  if (!one) return null;
  one.scrollIntoView({block: 'center', inline: 'center'});
  const box = one.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
})()"""


class BrowserError(Exception):
    """The browser is not there, or refused a command."""


@dataclass(slots=True)
class Wire:
    """Commands to the browser, each with its answer, and the events in between."""

    socket: aiohttp.ClientWebSocketResponse
    events: list[Json] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _waiting: dict[int, "asyncio.Future[Json]"] = field(default_factory=dict)

    async def ask(self, method: str, session: str = "", **params: Any) -> Json:
        """Send a command and return its result; raises `BrowserError`."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        await self.socket.send_json(message)
        with anyio.fail_after(ANSWER_SECONDS):
            found = await answer
        if "error" in found:
            raise BrowserError(f"{method}: {found['error']}")
        result: Json = found["result"]
        return result

    async def listen(self) -> None:
        """Take in what the browser says, until it is gone."""
        async for message in self.socket:
            said = json.loads(message.data)
            waiting = self._waiting.pop(said.get("id", 0), None)
            if waiting is None:
                self.events.append(said)
            elif not waiting.done():
                waiting.set_result(said)


@dataclass(slots=True)
class Page:
    """One tab."""

    wire: Wire
    session: str

    async def ask(self, method: str, **params: Any) -> Json:
        """Send this tab a command."""
        return await self.wire.ask(method, self.session, **params)

    async def open(self, url: str) -> None:
        """Load an address and wait until its scripts have run."""
        await self.ask("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'", START_SECONDS)

    async def run(self, script: str) -> Any:
        """Return the value of an expression; raises `BrowserError` with what it threw."""
        found = await self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in found:
            raise BrowserError(str(found["exceptionDetails"].get("exception", {}).get("description", found)))
        return found["result"].get("value")

    async def until(self, script: str, seconds: float = WAIT_SECONDS) -> Any:
        """Return the expression's value once it is true, looked at in the page; raises TimeoutError naming it."""
        waiting = LOOK.replace("LIMIT", str(int(seconds * 1000))).replace("SO", script)
        found = await self.run(waiting)
        if not found:
            raise TimeoutError(f"not so within {seconds} s: {script}")
        return found

    async def click(self, selector: str) -> None:
        """Press the last element of a selector where it stands, as a mouse does."""
        script = PLACE.replace("SELECTOR", json.dumps(selector))
        where = await self.until(script)
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)

    async def type(self, text: str) -> None:
        """Type text where the focus is."""
        await self.ask("Input.insertText", text=text)

    async def key(self, name: str, *, shift: bool = False) -> None:
        """Press a key."""
        typed = {"Enter": "\r", " ": " "}.get(name, "")
        base: Json = {"key": name, "code": name, "windowsVirtualKeyCode": KEYS[name], "modifiers": 8 if shift else 0}
        await self.ask("Input.dispatchKeyEvent", type="keyDown", text=typed, **base)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", **base)

    async def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """Set the window's size and whether the system prefers dark colours."""
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.ask("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self, path: Path) -> None:
        """Write what is seen into a PNG file."""
        shot = await self.ask("Page.captureScreenshot", format="png")
        await anyio.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Return what went wrong in the page: exceptions, errors it logged, requests to elsewhere."""
        thrown = [str(one["exceptionDetails"].get("exception", {}).get("description")) for one in self.said(THROWN)]
        logged = [one["entry"]["text"] for one in self.said("Log.entryAdded") if one["entry"]["level"] == "error"]
        asked = [str(one["request"]["url"]) for one in self.said("Network.requestWillBeSent")]
        return [*thrown, *logged, *(url for url in asked if not url.startswith(HERE))]

    def said(self, method: str) -> list[Json]:
        """Return the events of one kind in this tab so far."""
        mine = [one for one in self.wire.events if one.get("sessionId") == self.session]
        return [one["params"] for one in mine if one.get("method") == method]


@dataclass(frozen=True, slots=True)
class Browser:
    """A running browser."""

    wire: Wire

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """Open a tab of its own storage, as another person's browser would be, and close it in the end."""
        context = (await self.wire.ask("Target.createBrowserContext"))["browserContextId"]
        target = (await self.wire.ask("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        session = (await self.wire.ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = Page(self.wire, session)
        for domain in ("Page", "Runtime", "Network", "Log", "Accessibility"):
            await page.ask(f"{domain}.enable")
        try:
            yield page
        finally:
            await self.wire.ask("Target.disposeBrowserContext", browserContextId=context)


def found() -> str | None:
    """Return the browser's command, if there is one."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Run a browser with a fresh profile; raises `BrowserError` where none is installed."""
    command = found()
    if command is None:
        raise BrowserError(f"None of {', '.join(NAMES)} is installed: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="vpsops-browser-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            command, *FLAGS, f"--user-data-dir={profile}", "about:blank", stdout=DEVNULL, stderr=PIPE
        )
        try:
            address = await _address(process)
            async with (
                aiohttp.ClientSession() as http,
                http.ws_connect(address, max_msg_size=0) as socket,
                _listening(Wire(socket)) as wire,
            ):
                yield Browser(wire)
        finally:
            await _end(process)


@asynccontextmanager
async def _listening(wire: Wire) -> AsyncIterator[Wire]:
    listener = asyncio.create_task(wire.listen())
    try:
        yield wire
    finally:
        listener.cancel()
        with suppress(asyncio.CancelledError):
            await listener


async def _address(process: Process) -> str:
    if process.stderr is None:
        raise BrowserError("the browser has no output")
    with anyio.fail_after(START_SECONDS):
        async for line in process.stderr:
            if match := re.search(rb"DevTools listening on (ws://\S+)", line):
                return match[1].decode()
    raise BrowserError("the browser did not start")


async def _end(process: Process) -> None:
    with anyio.CancelScope(shield=True), suppress(ProcessLookupError):
        process.terminate()
        with anyio.move_on_after(WAIT_SECONDS):
            await process.communicate()
        if process.returncode is None:
            process.kill()
            await process.communicate()
