"""Only a family's own module knows its operations by name: everything else asks the entry."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.repository import ROOT
from vpsops.core.operations import OPERATIONS

FAMILIES = ("core/operations/families/", "core/operations/servers.py", "core/operations/catalogue.py")


def comparisons(tree: ast.AST) -> Iterator[ast.Compare]:
    """Yield the comparisons of an operation, or of its name, with words."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(_is_operation(item) for item in (node.left, *node.comparators)):
            words = {item.value for item in ast.walk(node) if isinstance(item, ast.Constant)}
            if words & OPERATIONS.keys():
                yield node


def _is_operation(node: ast.expr) -> bool:
    text = ast.unparse(node)
    return text.endswith(("operation", "operation.name", "c.operation"))


@pytest.mark.parametrize("folder", ["core", "bot", "mcp_server", "vpsops/cli"])
def test_nothing_asks_for_an_operation_by_its_name(folder: str) -> None:
    """A new operation needs no line in a module that is not its own."""
    places = []
    for path in sorted(Path(ROOT, folder).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(FAMILIES):
            places += [f"{name}:{node.lineno}" for node in comparisons(ast.parse(path.read_text("utf-8")))]
    assert not places


def test_the_search_finds_what_it_is_for() -> None:
    """Each form of the question is found."""
    forms = ('change.operation == "create"', 'operation.name in {"start", "stop"}', 'CHANGES.c.operation == "reboot"')
    assert all(list(comparisons(ast.parse(form))) for form in forms)
