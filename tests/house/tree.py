"""The Python files of the repository, by what they are for, each read and parsed once."""

import ast
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
SKIPPED: Final = frozenset({"build", "dist", "node_modules", "__pycache__"})
FROZEN: Final = "migrations"
"""Migrations are never edited after a release, so their style is not counted."""
PLAYGROUND, TESTS = "playground", "tests"


@dataclass(frozen=True)
class Module:
    """One file; `path` is relative to the repository's root."""

    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> Sequence[ast.AST]:
        """Every node of the syntax tree."""
        return list(ast.walk(self.tree))

    @property
    def lines(self) -> Sequence[str]:
        """The lines, without their ends."""
        return self.text.splitlines()

    @property
    def is_package(self) -> bool:
        """Whether it is the file of a folder, which has no name of its own."""
        return self.path.name.startswith("__")


@dataclass(frozen=True)
class Tree:
    """All modules: `product` is what is served, `code` has the playground too."""

    product: Sequence[Module]
    playground: Sequence[Module]
    tests: Sequence[Module]

    @property
    def code(self) -> Sequence[Module]:
        """What is installed."""
        return [*self.product, *self.playground]


def read_tree(root: Path = ROOT) -> Tree:
    """Read every module but migrations, each once, wherever links lead to it."""
    modules = [Module(path.relative_to(root), path.read_text(encoding="utf-8")) for path in _paths(root)]
    top = {module.path: module.path.parts[0] for module in modules}
    return Tree(
        [module for module in modules if top[module.path] not in {PLAYGROUND, TESTS}],
        [module for module in modules if top[module.path] == PLAYGROUND],
        [module for module in modules if top[module.path] == TESTS],
    )


def _paths(root: Path) -> Iterator[Path]:
    for folder, inner, files in os.walk(root):  # it does not follow links to folders
        inner[:] = sorted(name for name in inner if name not in SKIPPED | {FROZEN} and not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(".py"))
