"""What a maintained library does is not written here again: decision 0023 says which, and what is ours on purpose."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("core", "bot", "mcp_server", "playground", "vpsops/cli")
OUR_OWN = {
    "an evict-oldest dict (cachetools)": re.compile(r"popitem\(last=|\.pop\(next\(iter\(|\bOrderedDict\b"),
}


def sources() -> Iterator[Path]:
    """Yield the product's modules."""
    for folder in PRODUCT:
        yield from (ROOT / folder).rglob("*.py")


def test_one_limiter_counts_rates() -> None:
    """Turns, bursts and gaps are counted by `core/common/rate_limiter.py` alone, in memory and in the database."""
    counted = re.compile(r"class \w*Bucket\b|\b(burst|BURST)\w* - 1\b|EDIT_BURST \*")
    paths = [str(path.relative_to(ROOT)) for path in sources() if counted.search(path.read_text(encoding="utf-8"))]
    assert paths == ["core/common/rate_limiter.py"]


def test_one_place_ends_a_command_by_its_error() -> None:
    """Which exit code an error stands for, and its error line, stand in `core/console/exit_codes.py` alone."""
    pattern = re.compile(r"stderr\.write\(f\"vpsops: \{(words|error)\b|\bEXIT_[A-Z]+: Final = \d")
    paths = [str(path.relative_to(ROOT)) for path in sources() if pattern.search(path.read_text(encoding="utf-8"))]
    assert paths == ["core/console/exit_codes.py"]


def test_one_place_hears_the_signals_that_end_a_process() -> None:
    """Before the loop runs the start-up responder takes them; the pipe to a service loads nothing of the core."""
    heard = re.compile(r"open_signal_receiver|signal\.signal\(signal\.SIGTERM")
    paths = {str(path.relative_to(ROOT)) for path in sources() if heard.search(path.read_text(encoding="utf-8"))}
    product = {path for path in paths if not path.startswith("playground/")}
    assert product == {"core/server/shutdown.py", "mcp_server/fast_start/responder.py", "mcp_server/pipe/__init__.py"}


@pytest.mark.parametrize("kind", OUR_OWN)
def test_a_library_is_used_instead_of_our_own(kind: str) -> None:
    """Each is searched for in every module."""
    paths = [
        str(path.relative_to(ROOT)) for path in sources() if OUR_OWN[kind].search(path.read_text(encoding="utf-8"))
    ]
    assert paths == []
