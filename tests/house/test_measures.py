"""Sizes and layers: short files and functions, a small gate, one contract of layers without exceptions."""

import ast
import statistics
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.house.rules import classes_with_two_meanings
from tests.house.tree import ROOT, Module, read_tree

MEDIAN_FILE: Final = 130
P90_FUNCTION: Final = 20
GATE: Final = 250
TENTH: Final = 10
UNIT: Final = Path("tests/unit")
ROOTS: Final = (ROOT, ROOT / "vpsops", ROOT / "tests")
"""What unit tests mirror: the product, its commands, and the harness of the tests themselves."""
MANY_FOLDERS: Final = 30
Function = ast.FunctionDef | ast.AsyncFunctionDef


PARTS: Final = ("product", "playground", "tests")


def functions(modules: Sequence[Module]) -> Iterator[int]:
    """Yield the length of each function, in lines."""
    for module in modules:
        for node in module.nodes:
            if isinstance(node, Function):
                yield (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("part", PARTS)
def test_files_and_functions_are_short(part: str) -> None:
    """The median file and nine of ten functions, of tests as well; tests/house/ceilings.toml holds the longest."""
    modules: Sequence[Module] = getattr(read_tree(), part)
    lengths = [len(module.lines) for module in modules if not module.is_package]
    assert statistics.median(lengths) <= MEDIAN_FILE
    assert statistics.quantiles(functions(modules), n=TENTH)[-1] <= P90_FUNCTION


def test_a_class_name_has_one_meaning_in_the_whole_tree() -> None:
    """A test's helper does not take the name of what it helps to test."""
    tree = read_tree()
    assert list(classes_with_two_meanings([*tree.code, *tree.tests])) == []


def test_unit_tests_mirror_the_tree() -> None:
    """A folder of unit tests has the path of a folder, or of one module whose tests fill a folder."""
    folders = {module.path.parent.relative_to(UNIT) for module in read_tree().tests if UNIT in module.path.parents}
    assert len(folders) > MANY_FOLDERS
    strays = {
        folder
        for folder in folders
        if not any((root / folder).is_dir() or (root / folder).with_suffix(".py").is_file() for root in ROOTS)
    }
    assert strays == set()


def test_the_gate_is_small() -> None:
    """It commands; what it is made of stands beside it."""
    tree = ast.parse((ROOT / "core/service/gate.py").read_text(encoding="utf-8"))
    (gate,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Gate")
    assert (gate.end_lineno or 0) - gate.lineno < GATE


def test_one_exhaustive_contract_of_layers_has_no_exceptions() -> None:
    """No import is ignored, and no folder left out."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (contract for contract in contracts if contract["type"] == "layers")
    assert layers["exhaustive"]
    assert not {"ignore_imports", "exhaustive_ignores"} & layers.keys()
