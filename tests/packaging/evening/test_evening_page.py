"""The page of the evening has the commands that the other pages have now; its parts read and shorten as they should."""

from pathlib import Path

import pytest

from tests.harness.repository import ROOT
from tests.packaging.evening import installation, observation, operation
from tests.packaging.evening.ingredients import widest
from tests.packaging.evening.pages import Block, NotDocumentedError
from tests.packaging.evening.transcript import EveningTranscript, shorten

BLOCKS = [
    block
    for module in (installation, observation, operation)
    for block in vars(module).values()
    if isinstance(block, Block) and block not in {observation.SCRAPE, observation.TRACES}
]


@pytest.mark.requirement("evening-by-the-pages")
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.heading)
def test_every_command_of_the_pages_was_played(block: Block) -> None:
    """After a change of a block `make evening` has to play it, and writes the page."""
    page = (ROOT / "docs/evening.md").read_text(encoding="utf-8").splitlines()
    played = {line.removeprefix("# ").replace("otel.txt", "run.txt") for line in page}
    assert block.commands
    assert [command for command in block.commands if command not in played] == []


def test_a_heading_or_block_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NotDocumentedError):
        _ = Block("docs/service.md", "No such heading").text
    with pytest.raises(NotDocumentedError):
        _ = Block("docs/service.md", "Take it away", 1).text


def test_commands_are_whole_lines_without_remarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that goes on is one command, a heading inside of a block is none, and a section ends at the next one."""
    monkeypatch.setattr("tests.packaging.evening.pages.ROOT", tmp_path)
    text = "# A\n```\n# no heading\nvps \\\n  list   # why\n\n```\n## B\n```\nb\n```\n"
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    assert Block("page.md", "A").commands == ["# no heading", "vps list"]
    assert Block("page.md", "B").commands == ["b"]


def test_what_differs_from_run_to_run_is_left_out() -> None:
    line = "chg_0123456789ab by slack-166-f8f63add at 2027-01-04 01:02:03 UTC, record 12, head 13:" + "a" * 64
    assert shorten(line) == "chg_… by slack-… at TIME, record N, head N:…"


def test_neighbouring_commands_are_one_block() -> None:
    transcript = EveningTranscript()
    transcript.add_command("one", "shown\nmore", ["shown"])
    transcript.add_command("two", "")
    transcript.add_check("both ran.")
    assert transcript.page_text().endswith("```\n# one\nshown\n# two\n```\n\n- Checked: both ran.\n")
    assert transcript.full_text() == "# one\nshown\nmore\n# two\nok both ran.\n"


def test_a_lock_within_another_one_is_not_downloaded_twice() -> None:
    assert widest(["a\n", "a\nb\n", "c\n"]) == ["a\nb\n", "c\n"]
