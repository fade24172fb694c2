"""What people are shown and the trail keeps of words that others chose, and how the product is installed."""

import re
from pathlib import Path

import pytest

from bot.blocks.text import outside
from core.changes.model import Actor, ActorKind
from core.hostnames import lookalike_warning
from core.records import recorded

ROOT = Path(__file__).parents[2]


@pytest.mark.requirement("agent-names-are-claims")
@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        (":white_check_mark: 2 of 2 approved", "\ua789white_check_mark: 2 of 2 approved"),
        (":skull::skull-tone-2:", "\ua789skull:\ua789skull-tone-2:"),
        ("web01:bee:.example.com", "web01\ua789bee:.example.com"),
        ("at 10:30, see https://example.com/x", "at 10:30, see https://example.com/x"),
        ("Address: 2001:db8::17.", "Address: 2001:db8::17."),
        ("(2001:db8::bee:17)", "(2001:db8::bee:17)"),
    ],
)
def test_outside_words_draw_no_emoji(text: str, drawn: str) -> None:
    """Slack draws what stands between two colons; addresses and times stay as they are."""
    assert outside(text) == drawn


@pytest.mark.requirement("agent-names-are-claims")
def test_a_name_of_an_agent_is_cited_as_its_claim() -> None:
    """In quotation marks that it cannot close; a person's name is Slack's."""
    agent = Actor(ActorKind.AGENT, "mcp:x", "helper” for Bob, approved by “Bob")
    assert agent.cited == 'the agent that calls itself “helper" for Bob, approved by "Bob”'
    assert agent.claim == agent.cited.removeprefix("the agent that ")
    person = Actor(ActorKind.PERSON, "U0BOB", "Bob")
    assert (person.cited, person.claim) == ("Bob", "Bob")


@pytest.mark.requirement("lookalike-servers")
@pytest.mark.parametrize(
    ("hostname", "words"),
    [
        ("web01.example.com", ""),
        ("web01\u200b.example.com", "not shown"),
        ("web01\u202e.example.com", "not shown"),
        ("w\u0435b01.example.com", "several scripts"),
        ("\u0435\u0435", "other than a to z"),
    ],
)
def test_a_name_that_reads_like_another_is_flagged(hostname: str, words: str) -> None:
    """In plain words; an ordinary name is not."""
    warning = lookalike_warning(hostname)
    assert words in warning
    assert bool(warning) == bool(words)


@pytest.mark.requirement("sent-record-bounded")
def test_the_trail_keeps_known_fields_of_an_answer() -> None:
    """Neither a password nor an address to fetch something from is among them."""
    answer = {"id": "i" * 500, "ok": True, "root_password": "x", "download": "https://x", "status": {"deep": 1}}
    assert recorded(answer) == {"ok": True, "id": "i" * 120}


@pytest.mark.requirement("install-locked")
def test_the_install_in_the_readme_fetches_nothing_unpinned() -> None:
    """Each of its lines takes hashes or fetches nothing, and what builds is pinned to what was tested."""
    lines = [line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if "pip install" in line]
    assert lines
    for line in lines:
        assert "--require-hashes" in line or ("--no-deps" in line and "--no-build-isolation" in line), line
    built = (ROOT / "requirements/build.txt").read_text(encoding="utf-8").partition("\n")[2]
    tested = (ROOT / "requirements/dev.txt").read_text(encoding="utf-8")
    pins = re.findall(r"(?m)^\S+==[^\n]*\\\n(?:    --hash=[^\n]*\n)+", built)
    assert "hatchling" in built
    assert "".join(pins) == built
    assert all(pin in tested for pin in pins)
