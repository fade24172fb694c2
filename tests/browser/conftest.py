"""One browser and one playground for all browser tests; both are processes of their own."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, BrowserPage, running_browser
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.playground.processes import running_command

READY_SECONDS = PATIENCE_SECONDS
INSIDE = "#as=U0ALICE&in=C0OPS&beside=agent&front=chat"  # past the first screen
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Return where screenshots are kept."""
    folder = Path(os.environ.get("BROWSER_PICTURES", "build/browser"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as running:
        yield running


@pytest.fixture(scope="session")
async def playground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    folder = tmp_path_factory.mktemp("playground")
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    async with running_command("playground", ["playground", "--speed", "60"], environment, folder) as address:
        yield address


@pytest.fixture
async def page(browser: Browser, playground: str) -> AsyncIterator[BrowserPage]:
    async with browser.page() as opened:
        await opened.size(1440, 900)
        await opened.open(f"{playground}/{INSIDE}")
        await opened.until("document.querySelector('[data-ready=true]')", READY_SECONDS)
        yield opened
        complaints = opened.complaints()
    assert not complaints, complaints
