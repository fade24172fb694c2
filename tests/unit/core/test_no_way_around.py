"""Every code path to a write of the client goes through the gate: read off the source of the whole product."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import core
from core.operations import OPERATIONS
from core.wayscloud.client import Wayscloud

ROOT = Path(core.__file__).parent.parent
PRODUCT = ("core", "bot", "mcp_server", "playground")
WRITES = {"create_server", "start_server", "stop_server", "reboot_server"}
READS = {"list_servers", "get_server", "server_status", "list_plans", "list_os_templates", "list_regions"}
VIEWS = {"only", "shared", "for_work"}  # the same client, for reads of one kind


@cache
def parsed() -> list[tuple[str, ast.Module]]:
    paths = [path for folder in PRODUCT for path in sorted((ROOT / folder).rglob("*.py"))]
    paths.append(ROOT / "vpsops.py")
    return [(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def functions_using(attribute: str) -> set[str]:
    """Return `file:function` of every place that reads an attribute of that name (calls and passings alike)."""
    found = set()
    for name, tree in parsed():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                uses = any(isinstance(node, ast.Attribute) and node.attr == attribute for node in ast.walk(function))
                if uses:
                    found.add(f"{name}:{function.name}")
    return found


def texts() -> Iterator[tuple[str, str]]:
    for name, tree in parsed():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield name, node.value


def test_the_clients_methods_are_all_known() -> None:
    """A new method of the client must be sorted into reads and writes here before anything else passes."""
    public = {name for name in vars(Wayscloud) if not name.startswith("_")}
    assert public - VIEWS == READS | WRITES


@pytest.mark.requirement("gate-no-way-around")
def test_only_the_registry_names_a_write() -> None:
    """Each write of the client is called in one place: the registry entry of its operation."""
    for write in sorted(WRITES):
        operation = write.removesuffix("_server")
        assert functions_using(write) == {f"core/operations/servers.py:_{operation}"}


def test_no_text_names_a_write() -> None:
    """Nobody reaches a write by its name as a string; the client's own routes are called so in its errors."""
    assert {name for name, text in texts() if text in WRITES} == {"core/wayscloud/routes.py"}


@pytest.mark.requirement("gate-no-way-around")
def test_only_the_gate_and_the_runner_run_an_operation() -> None:
    """`operation.run` is called by the gate, for reads, and by the runner, for what was approved."""
    running = set()
    for name, tree in parsed():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                running |= {
                    f"{name}:{function.name}"
                    for node in ast.walk(function)
                    if isinstance(node, ast.Attribute) and node.attr == "run" and ast.unparse(node.value) == "operation"
                }
    assert running == {"core/gate.py:_read", "core/changes/execute.py:_send"}


def test_the_gate_runs_reads_only() -> None:
    """The gate's own run sits behind the question whether the operation reads."""
    tree = ast.parse((ROOT / "core/gate.py").read_text(encoding="utf-8"))
    submit = next(n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef) and n.name == "submit")
    guarded = [node for node in submit.body if isinstance(node, ast.If) and ast.unparse(node.test) == "operation.reads"]
    calls = [node for node in ast.walk(submit) if isinstance(node, ast.Attribute) and node.attr == "_read"]
    assert len(guarded) == len(calls) == 1
    assert "_read" in ast.unparse(guarded[0])


def test_only_the_runner_stores_an_intention() -> None:
    """`sending` is entered in one place, right before the one send."""
    entering = functions_using("SENDING")
    assert entering == {
        "core/changes/execute.py:_intend",
        "core/changes/execute.py:work",  # its transaction
        "core/changes/keeper.py:_due",  # looks for those whose process died
    }


def test_every_writing_operation_has_a_write() -> None:
    """The registry's changes are exactly the client's writes."""
    assert {f"{name}_server" for name, one in OPERATIONS.items() if not one.reads} == WRITES
