"""A caller that forgets its scope is a fault of types, not one that sees everything."""

import ast
from collections.abc import Iterator

from tests.harness.repository import ROOT

NARROWING = {"Scope", "Visibility"}


def defaulted(tree: ast.AST) -> Iterator[str]:
    """Yield the parameters and fields that narrow what is visible and may be left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):
            positional = [*node.posonlyargs, *node.args]
            optional = positional[len(positional) - len(node.defaults) :]
            optional += [name for name, default in zip(node.kwonlyargs, node.kw_defaults, strict=True) if default]
            yield from (name.arg for name in optional if name.annotation and narrows(name.annotation))
        elif isinstance(node, ast.ClassDef):
            fields = (line for line in node.body if isinstance(line, ast.AnnAssign) and line.value is not None)
            yield from (ast.unparse(line.target) for line in fields if narrows(line.annotation))


def narrows(annotation: ast.expr) -> bool:
    """Return whether a type is one of those that say what is visible."""
    return any(isinstance(node, ast.Name) and node.id in NARROWING for node in ast.walk(annotation))


def test_no_scope_has_a_default() -> None:
    """Commands, queries and readers of the core, and what holds a scope."""
    optional = {
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for path in sorted((ROOT / "core").rglob("*.py"))
        for name in defaulted(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert optional == set()


def test_a_default_is_found_wherever_it_stands() -> None:
    """As a keyword, as a position, as a field."""
    parameters = ("*, scope: Scope = ALL", "a, shown: Visibility | None = None")
    for source in (*(f"def f({parameter}): ..." for parameter in parameters), "class A:\n    scope: Scope = ALL"):
        assert list(defaulted(ast.parse(source)))
    assert not list(defaulted(ast.parse("def f(a, *, scope: Scope, b: int = 1): ...")))
