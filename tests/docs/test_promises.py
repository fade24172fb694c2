"""Each strong sentence about security is held: by a requirement with its test, or by the table of docs/security.md."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.docs.generate import ROOT
from tests.docs.links import anchors_of
from tests.docs.test_requirements import PROMISED

STRONG: Final = re.compile(r"\b(never|always|cannot|every|only|nobody|nothing|no|alone|exactly once)\b", re.IGNORECASE)
SECURITY: Final = re.compile(
    r"\b(secrets?|passwords?|tokens?|keys?|approv\w+|votes?|decides?|agents?|assistants?|trail|tamper\w*|audit"
    r"|confirm\w*|admitted|sent|identity|policy)\b",
    re.IGNORECASE,
)
TABLE: Final = "docs/security.md"
FIGURES: Final = {"benchmarks", "clients", "crash", "evals", "mutants", "playground", "slack-pictures"}
"""Pages of what was measured, drawn or played."""
HELP: Final = ROOT / "docs/reference/commands.md"
"""The commands' own help, as blocks of code."""
PAGES: Final = (
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    *sorted(page for page in (ROOT / "docs").glob("*.md") if page.stem not in FIGURES and page.name != "security.md"),
    HELP,
)
HELD: Final = {promise["source"] for promise in PROMISED.values()}
WRITTEN: Final = tomllib.loads((ROOT / "docs/promises.toml").read_text(encoding="utf-8"))["promise"]


class Sentence(NamedTuple):
    """A sentence of the guide, and the section it stands in."""

    section: str
    text: str


def sentences(page: Path) -> Iterator[Sentence]:
    """Yield the sentences of a page; what stands in a block of code is none, but for the help."""
    text, name, section = page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix(), ""
    if page != HELP:
        text = re.sub(r"(?ms)^```.*?^```", "", text)
    for block in re.split(r"\n\s*\n|\n(?=[-|#] )|\n(?=\d+\. )|\n(?=  -)", text):
        heading = re.match(r"#+ (.*)", block)
        if heading:
            section = f"{name}#{re.sub(r'[^a-z0-9_ -]', '', heading[1].lower()).strip().replace(' ', '-')}"
            block = block.partition("\n")[2]  # noqa: PLW2901 - a heading may be followed by text at once
        for sentence in re.split(r"(?<=[.!?]) +|\|", " ".join(block.split())):
            if sentence.strip():
                yield Sentence(section, sentence.strip())


def strong(page: Path) -> list[Sentence]:
    """Return the sentences about security with a word that allows no exception."""
    return [sentence for sentence in sentences(page) if STRONG.search(sentence.text) and SECURITY.search(sentence.text)]


def entries_of(sentence: Sentence) -> list[dict[str, object]]:
    """Return the entries of docs/promises.toml for a sentence."""
    page = sentence.section.partition("#")[0]
    return [entry for entry in WRITTEN if entry["page"] == page and str(entry["says"]) in sentence.text]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_strong_sentence_is_held_by_something(page: Path) -> None:
    """Its section is the source of a requirement, or docs/promises.toml ties it to one or to the table."""
    loose = [item for item in strong(page) if item.section not in HELD and not entries_of(item)]
    assert loose == [], "name what holds each of them in docs/promises.toml, or say less"


@pytest.mark.parametrize("number", range(len(WRITTEN)))
def test_every_tie_leads_from_a_sentence_to_what_holds_it(number: int) -> None:
    """The sentence is there and needs it, and so is what it names: a requirement, or a heading of the table's page."""
    entry = WRITTEN[number]
    page = ROOT / str(entry["page"])
    assert any(entry in entries_of(item) and item.section not in HELD for item in strong(page)), (
        "no sentence needs this"
    )
    assert entry.keys() == {"page", "says", "held_by"}
    headings = {f"{TABLE}#{anchor}" for anchor in anchors_of(ROOT / TABLE)}
    assert set(entry["held_by"]) <= PROMISED.keys() | headings
    assert entry["held_by"]


def test_the_readmes_sentences_are_looked_at() -> None:
    """The first of them promises most."""
    texts = " ".join(item.text for item in strong(ROOT / "README.md"))
    assert "no tool and no argument to approve anything" in texts
    assert "can never approve it" in texts
