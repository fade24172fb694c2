"""What the product promises is tested, and what a test claims to hold is promised: docs/requirements.toml."""

import ast
import tomllib
from pathlib import Path

import pytest

from tests.docs.generate import ROOT
from tests.docs.links import anchors_of

PROMISED: dict[str, dict[str, str]] = tomllib.loads((ROOT / "docs/requirements.toml").read_text(encoding="utf-8"))
COLLECTED = (
    "adversary",
    "contract",
    "docs",
    "e2e",
    "golden",
    "packaging",
    "provider",
    "stateful",
    "unit",
)  # what `make test` and `make test-slow` run


def held() -> dict[str, list[str]]:
    """Return the ids that tests carry, each with those tests, read from the source."""
    results: dict[str, list[str]] = {}
    for folder in COLLECTED:
        for path in sorted((ROOT / "tests" / folder).rglob("test_*.py")):
            text = path.read_text(encoding="utf-8")
            if "mark.requirement" in text:
                for ident, name in marked(ast.parse(text)):
                    results.setdefault(ident, []).append(f"{path.relative_to(ROOT)}::{name}")
    return results


def marked(tree: ast.Module) -> list[tuple[str, str]]:
    """Return the ids on the tests of a module, each with the test's name."""
    tests = [item for item in tree.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [
        (ast.literal_eval(mark.args[0]), test.name)
        for test in tests
        for mark in test.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.requirement"
    ]


def test_every_promise_has_a_test_and_every_mark_its_promise() -> None:
    """Every promise has a test, and every mark a promise."""
    held_ids = held()
    assert sorted(PROMISED.keys() - held_ids.keys()) == [], "promised, and no test carries the id"
    assert {ident: held_ids[ident] for ident in held_ids.keys() - PROMISED.keys()} == {}, "carried, and not promised"


@pytest.mark.parametrize("ident", PROMISED)
def test_a_promise_is_one_sentence_and_stands_in_the_guide(ident: str) -> None:
    """It names an existing page and heading, and promises one thing."""
    promise = PROMISED[ident]
    page, _, anchor = promise["source"].partition("#")
    assert anchor in anchors_of(Path(ROOT / page))
    assert promise["says"].endswith(".")
    assert promise["says"].count(". ") == 0
    assert promise.keys() == {"source", "says"}


def test_marks_are_found_where_they_are() -> None:
    """The reader of the source sees a mark between others, on a coroutine too, and nothing else."""
    source = '@pytest.mark.slow\n@pytest.mark.requirement("one")\nasync def test_a(): ...\n\n\ndef test_b(): ...\n'
    assert marked(ast.parse(source)) == [("one", "test_a")]
