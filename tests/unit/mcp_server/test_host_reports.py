"""The table of public reports names tests that there are."""

import ast
import re

import pytest

from tests.harness.repository import ROOT

TABLE = ROOT / "tests" / "hosts" / "reports.md"
ROWS = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("| ") and "`tests/" in line]


def names(path: str) -> set[str]:
    """Return the test functions of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {item.name for item in ast.walk(tree) if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_every_kind_of_report_is_held_by_a_test(row: str) -> None:
    """Three cells, and in the last one ids that exist."""
    _, _, _, held, _ = re.split(r" ?\| ?", row)
    ids = re.findall(r"`([\w/.]+)::(\w+)`", held)
    assert ids
    assert all(name in names(path) for path, name in ids), held


def test_no_row_is_without_a_test() -> None:
    """Besides the head and its line."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert len(lines) == len(ROWS) + 2
    assert len(ROWS) >= 30
