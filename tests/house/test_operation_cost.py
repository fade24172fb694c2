"""What a new operation costs, on the page of the architecture, is what the made-up operations take."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pytest

from tests.harness.repository import ROOT
from tests.house.tree import read_tree

ENTRIES: Final = ast.parse((ROOT / "tests" / "e2e" / "outside" / "entries.py").read_text(encoding="utf-8"))
PAGE: Final = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROW: Final = re.compile(r"^\| [^|(]+ \(`(?P<name>\w+)`\) \| its family's module \| (?P<cost>[^|]+) \|$", re.MULTILINE)
DEFINITIONS: Final[Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]] = {
    node.name: node for node in ENTRIES.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
}
CALLS: Final = ("reboot_server", "delete_server", "rename_server", "delete_backup")
"""The client calls that the made-up operations are run by."""


@dataclass(frozen=True, slots=True)
class OperationCost:
    """Lines of an operation's entry, of the functions and arguments that it names, and of a result of its own."""

    entry: int
    code: int
    model: int = 0

    @property
    def figures(self) -> list[int]:
        """The figures in the page's order; a result of its own stands last."""
        return [self.entry, self.code, *([self.model] if self.model else [])]


def entries() -> Mapping[str, ast.Call]:
    """Return the made-up entries by the operation's name."""
    calls = [node for node in ast.walk(ENTRIES) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Operation"]
    return {str(ast.literal_eval(keywords_of(call)["name"])): call for call in calls}


def keywords_of(call: ast.Call) -> Mapping[str, ast.expr]:
    """Return what an entry says, by the field's name."""
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def lines_of(node: ast.stmt | ast.expr) -> int:
    """Return the number of lines from a node's first to its last."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def cost_of(entry: ast.Call) -> OperationCost:
    """Count an entry and the definitions beside it that it names."""
    lines = {
        field: lines_of(DEFINITIONS[value.id])
        for field, value in keywords_of(entry).items()
        if isinstance(value, ast.Name) and value.id in DEFINITIONS
    }
    model = lines.pop("result", 0)
    return OperationCost(lines_of(entry), sum(lines.values()), model)


@pytest.mark.parametrize("name", entries())
def test_the_page_has_the_counted_lines_of_each_made_up_operation(name: str) -> None:
    """One file each, its family's module, and as many lines as were counted."""
    costs = {row["name"]: [int(figure) for figure in re.findall(r"\d+", row["cost"])] for row in ROW.finditer(PAGE)}
    assert costs[name] == cost_of(entries()[name]).figures


def test_every_definition_is_counted_with_an_operation() -> None:
    """No function stands outside the figures."""
    values = [value for call in entries().values() for value in keywords_of(call).values()]
    assert DEFINITIONS.keys() <= {value.id for value in values if isinstance(value, ast.Name)}


def test_the_page_has_no_row_of_another_operation() -> None:
    """Each row is counted."""
    assert sorted(row["name"] for row in ROW.finditer(PAGE)) == sorted(entries())


def test_no_file_of_the_product_knows_a_made_up_operation() -> None:
    """So that the entry's file is the only one."""
    names = set(entries()) | {"discard"}
    for module in read_tree().code:
        words = {node.value for node in module.nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        assert not words & names, module.path


def test_a_client_call_takes_three_to_five_lines() -> None:
    """The page's figure, on the calls that the made-up operations make."""
    functions = [node for module in read_tree().code for node in module.nodes if isinstance(node, ast.AsyncFunctionDef)]
    lines = {node.name: lines_of(node) for node in functions if node.name in CALLS}
    assert lines.keys() == set(CALLS)
    assert f"is {min(lines.values())} to {max(lines.values())} lines" in PAGE
