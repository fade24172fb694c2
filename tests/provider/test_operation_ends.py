"""For every operation, dialect and kind of answer: what a change is said to have come to is what the provider did."""

import pytest

from tests.provider.ends.endings import ANSWERS, DIALECTS, Ending, changing, endings
from tests.provider.ends.table import PAGE, row, written_row
from vpsops.core.operations import OPERATIONS

DONE = ("succeeded",)
NOT_DONE = ("failed", "refused", "superseded", "expired")
PAIRS = [
    pytest.param(operation.name, dialect, marks=[] if dialect == "live" else [pytest.mark.slow])
    for operation in changing()
    for dialect in DIALECTS
]


def untrue(ending: Ending) -> str:
    """Return what is untrue about an ending; empty where nothing is."""
    if ending.effects > 1:
        return f"done {ending.effects} times"
    if ending.words.startswith(DONE) and not ending.effects:
        return "said to be done"
    if ending.words.startswith(NOT_DONE) and ending.effects:
        return "said not to be done"
    return "" if ending.words.startswith((*DONE, *NOT_DONE, "needs person")) else "not at its end"


@pytest.mark.requirement("true-endings")
@pytest.mark.parametrize(("name", "dialect"), PAIRS)
async def test_an_ending_is_true_and_on_the_page(database_url: str, name: str, dialect: str) -> None:
    """At most one effect, none that is denied, none that is claimed; the page has the same line."""
    ends = await endings(database_url, OPERATIONS[name], dialect)
    assert {answer: (untrue(ending), ending) for answer, ending in ends.items() if untrue(ending)} == {}
    assert row(name, dialect, ends) == written_row(name, dialect)


def test_the_page_has_every_operation_once() -> None:
    """And none that there is not any more."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    expected = {(operation.name, dialect) for operation in changing() for dialect in DIALECTS}
    assert {tuple(part.strip(" `") for part in line.split("|")[1:3]) for line in lines} == expected
    assert len(lines) == len(expected)
    assert len(ANSWERS) == 4
