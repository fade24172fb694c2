"""What is collected is what is checked in: see the package's docstring before a value is changed."""

import json
from pathlib import Path

import pytest

from tests.golden import VALUES, story
from tests.golden.collection import COLLECTED, as_text
from tests.golden.words import is_in_code

WORDS = [word for groups in json.loads((VALUES / "words.json").read_text("utf-8")).values() for word in groups.items()]


@pytest.mark.requirement("golden-values")
@pytest.mark.parametrize("name", COLLECTED)
def test_values_stay(name: str, tmp_path: Path) -> None:
    """Digests, the schema, ids and names on wires, and settings are those of the releases before."""
    assert as_text(COLLECTED[name](tmp_path)) == (VALUES / f"{name}.json").read_text("utf-8")


@pytest.mark.requirement("golden-values")
async def test_rows_and_audit_records_stay(tmp_path: Path) -> None:
    """A fixed story leaves the same columns, stored words and keys of JSON."""
    assert as_text(await story.values(tmp_path)) == (VALUES / "story.json").read_text("utf-8")


@pytest.mark.requirement("golden-values")
@pytest.mark.parametrize(("kind", "words"), WORDS, ids=[kind for kind, _ in WORDS])
def test_stored_words_are_in_the_code(kind: str, words: list[str]) -> None:
    """Each word that databases and clients hold is still written and understood."""
    assert [word for word in words if not is_in_code(word)] == [], kind


def test_every_file_of_values_is_compared() -> None:
    """No file is left behind."""
    assert {path.stem for path in VALUES.glob("*.json")} == {*COLLECTED, "story", "words"}
