"""Every finding of the reviews has its tests: the table of tests/adversary/README.md is held to what there is."""

import re

from tests.docs.generate import ROOT

PLACE = ROOT / "tests" / "adversary"
TABLE = (PLACE / "README.md").read_text(encoding="utf-8")
LATER = {f"L{number}" for number in range(1, 11)}
"""Of the review of plans, times, grants, ends, runs without approval and runbooks."""
FINDINGS = {"B1", "B2", *(f"M{number}" for number in range(1, 10)), "F1", "F3", "F12"} | LATER
MINORS = {f"minor {number}" for number in range(1, 13)}


def rows() -> list[tuple[str, list[str]]]:
    """Return each row's findings, as written, and its tests."""
    cells = [line.strip("|").split("|") for line in TABLE.splitlines() if line.startswith("| ")][1:]
    return [(cell[0].strip(), re.findall(r"`([^`]+)`", cell[2])) for cell in cells]


def test_every_finding_has_a_row_and_every_row_a_test() -> None:
    """Findings are listed by their number in the review; minor ones by their position there."""
    named = [finding for finding, _ in rows()]
    assert {word for finding in named if not finding.startswith("minor") for word in finding.split()} == FINDINGS
    assert {finding for finding in named if finding.startswith("minor")} == MINORS
    assert [finding for finding, tests in rows() if not tests] == []


def test_every_test_of_the_table_is_there() -> None:
    """No test of the table is renamed or gone."""
    missing = []
    for named in {test for _, tests in rows() for test in tests}:
        file, _, name = named.partition("::")
        path = PLACE / file
        there = path.is_file() and (not name or re.search(rf"(?m)^(async )?def {name}\(", path.read_text("utf-8")))
        missing += [] if there else [named]
    assert missing == []


def test_every_file_of_the_folder_is_in_the_table() -> None:
    """Attempts that found nothing are listed for the same reason."""
    files = {path.relative_to(PLACE).as_posix() for path in PLACE.rglob("test_*.py")}
    assert files == {test.partition("::")[0] for _, tests in rows() for test in tests if not test.startswith("../")}
