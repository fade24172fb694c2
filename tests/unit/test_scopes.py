"""Front ends pass a scope with every command and query, also where types do not tell."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.harness.repository import ROOT
from vpsops.core.service.admission import Admission
from vpsops.core.service.change_queries import ChangeQueries
from vpsops.core.service.gate import Gate
from vpsops.core.service.server_queries import ServerQueries

SERVICES: Final = {"gate": Gate, "changes": ChangeQueries, "servers": ServerQueries, "admission": Admission}
FRONT_ENDS: Final = ("bot", "mcp_server")
SCOPED: Final = {
    name
    for service in SERVICES.values()
    for name, member in vars(service).items()
    if "scope" in getattr(member, "__annotations__", {})
}


def calls(path: Path) -> Iterator[ast.Call]:
    """Yield a module's calls of scoped methods on a service, by whatever name the service is held."""
    tree = ast.parse(path.read_text("utf-8"))
    held = set(SERVICES)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            held |= set(_names_of_services(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SCOPED:
            owner = node.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name in held and not (isinstance(owner, ast.Name) and name in SERVICES and name not in _assigned(tree)):
                yield node


def _names_of_services(node: ast.Assign) -> Iterator[str]:
    pairs = [(node.targets[0], node.value)]
    if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
        pairs = list(zip(node.targets[0].elts, node.value.elts, strict=True))
    for target, value in pairs:
        if isinstance(target, ast.Name) and isinstance(value, ast.Attribute) and value.attr in SERVICES:
            yield target.id


def _assigned(tree: ast.Module) -> set[str]:
    return {name for node in ast.walk(tree) if isinstance(node, ast.Assign) for name in _names_of_services(node)}


def test_there_are_scoped_methods() -> None:
    """All reads and commands on changes and servers are."""
    assert {"submit", "dry_run", "confirm", "vote", "cancel", "resolve", "get", "page", "read", "list_all"} <= SCOPED


@pytest.mark.requirement("front-ends-pass-a-scope")
@pytest.mark.parametrize("folder", FRONT_ENDS)
def test_every_call_of_a_service_passes_a_scope(folder: str) -> None:
    """A call without one is found by its place."""
    paths = list((ROOT / folder).rglob("*.py"))
    places = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in paths
        for call in calls(path)
        if not any(keyword.arg == "scope" for keyword in call.keywords)
    ]
    assert places == []
    assert sum(1 for path in paths for _ in calls(path)) >= 10
