"""Sizes and layers: short files and functions, a small gate, one contract of layers without exceptions."""

import ast
import statistics
import tomllib
from collections.abc import Iterator
from typing import Final

from tests.house.tree import ROOT, read_tree

MEDIAN_FILE: Final = 130
P90_FUNCTION: Final = 20
GATE: Final = 250
TENTH: Final = 10
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[int]:
    """Yield the length of each function of what is installed, in lines."""
    for module in read_tree().code:
        for node in module.nodes:
            if isinstance(node, Function):
                yield (node.end_lineno or node.lineno) - node.lineno + 1


def test_files_and_functions_are_short() -> None:
    """The median file and nine of ten functions; tests/house/ceilings.toml holds the longest."""
    lengths = [len(module.lines) for module in read_tree().code if not module.is_package]
    assert statistics.median(lengths) <= MEDIAN_FILE
    assert statistics.quantiles(functions(), n=TENTH)[-1] <= P90_FUNCTION


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
