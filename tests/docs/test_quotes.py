"""The page of troubleshooting quotes the product: each message in its tables is one that the code has."""

import re
from typing import Final

import pytest

from tests.harness.repository import ROOT

PAGE: Final = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
MESSAGE: Final = re.compile(r"^\| `([A-Za-z][^`]+)`", re.MULTILINE)
MESSAGES: Final = MESSAGE.findall(PAGE)
FOLDERS: Final = ("core", "bot", "mcp_server", "vpsops/cli")


def literals() -> str:
    """Return the product's source without the breaks between parts of one string, as people see it."""
    text = "\n".join(path.read_text(encoding="utf-8") for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return re.sub(r'"\s*\n\s*f?"', "", text)


SOURCE: Final = literals()


def test_the_page_quotes_messages() -> None:
    assert len(MESSAGES) > 15


@pytest.mark.requirement("messages-quoted")
@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_the_products_own(message: str) -> None:
    assert message in SOURCE
