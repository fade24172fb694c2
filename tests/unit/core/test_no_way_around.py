"""Every code path to a write of the client goes through the gate: read off the source of the whole product."""

import ast
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import pytest

from tests.harness.repository import ROOT
from tests.unit.core.harness import ALICE, SLACK, staged
from vpsops.core.changes.requests import Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.operations import OPERATIONS
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.server_parts.backups import Backups
from vpsops.core.wayscloud.server_parts.firewall import Firewall
from vpsops.core.wayscloud.server_parts.snapshots import Snapshots
from vpsops.playground.wayscloud.serve import SimulatorHandle

PRODUCT = ("core", "bot", "mcp_server", "playground", "vpsops/cli")
WRITES = {"create_server", "start_server", "stop_server", "reboot_server"}
BACKUP_WRITES = {"create_backup", "delete_backup", "restore_backup", "set_backup_policy", "remove_backup_policy"}
LIFECYCLE_WRITES = {"delete_server", "rename_server", "upgrade_server"}
LABEL_WRITES = {"label_server"}
UNUSED_WRITES = {"tag_server"}  # tags are shown, and changed by no operation
READS = {"list_servers", "get_server", "server_status"}
CATALOGUE_READS = {
    "list_plans",
    "list_addons",
    "list_os_templates",
    "list_regions",
    "list_named_regions",
    "named_regions",
}
BACKUP_READS = {"list_backups", "backup_usage", "backup_policy", "download_backup"}
SNAPSHOT_WRITES = {"create_snapshot", "delete_snapshot", "rollback_snapshot"}
SNAPSHOT_READS = {"list_snapshots"}
FIREWALL_WRITES = {"add_rule", "remove_rule"}
FIREWALL_READS = {"list_rules"}
FAMILIES = {"backups", "firewall", "snapshots"}


@dataclass(frozen=True, slots=True)
class Source:
    """The product's source as the tests query it: each attribute with the functions that read it, and each text."""

    attributes: Mapping[str, Mapping[str, frozenset[str]]]  # attribute: `file:function`: what it is an attribute of
    texts: Mapping[str, frozenset[str]]  # file: its constant texts


@cache
def source() -> Source:
    """Read the whole product once."""
    paths = [path for folder in PRODUCT for path in sorted((ROOT / folder).rglob("*.py"))]
    attributes: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    texts: dict[str, frozenset[str]] = {}
    for path in paths:
        name, tree = path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))
        constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        texts[name] = frozenset(value for value in constants if isinstance(value, str))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Attribute):
                        owner = node.value.id if isinstance(node.value, ast.Name) else ""
                        attributes[node.attr][f"{name}:{function.name}"].add(owner)
    return Source(
        {value: {at: frozenset(owners) for at, owners in uses.items()} for value, uses in attributes.items()}, texts
    )


def functions_using(attribute: str) -> set[str]:
    """Return `file:function` of every place that reads an attribute of that name (calls and passings alike)."""
    return set(source().attributes.get(attribute, {}))


def test_the_clients_methods_are_all_known() -> None:
    """A new method of the client must be sorted into reads and writes here before anything else passes."""
    public = {name for name in vars(Wayscloud) if not name.startswith("_")}
    assert public - FAMILIES == READS | CATALOGUE_READS | WRITES | LIFECYCLE_WRITES | LABEL_WRITES | UNUSED_WRITES
    assert {name for name in vars(Backups) if not name.startswith("_")} == BACKUP_READS | BACKUP_WRITES
    assert {name for name in vars(Snapshots) if not name.startswith("_")} == SNAPSHOT_READS | SNAPSHOT_WRITES
    assert {name for name in vars(Firewall) if not name.startswith("_")} == FIREWALL_READS | FIREWALL_WRITES


def test_a_view_is_an_argument() -> None:
    """No object copies itself to show less or to behave otherwise: contexts and scopes are handed in."""
    copying = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "core").rglob("*.py")
        if re.search(r"^\s*(from|import) copy\b|__copy__", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert copying == set()


@pytest.mark.requirement("gate-no-way-around")
def test_only_the_registry_names_a_write() -> None:
    """Each write of the client is called in one place: the registry entry of its operation."""
    for write in sorted(WRITES):
        operation = write.removesuffix("_server")
        module = "families/create.py" if operation == "create" else "servers.py"
        assert functions_using(write) == {f"core/operations/{module}:_{operation}"}
    families = (
        ("backups", BACKUP_WRITES),
        ("firewall", FIREWALL_WRITES),
        ("labels", LABEL_WRITES),
        ("lifecycle", LIFECYCLE_WRITES),
        ("snapshots", SNAPSHOT_WRITES),
    )
    for family, writes in families:
        for write in sorted(writes):
            places = {place.partition(":")[0] for place in functions_using(write)}
            module = "backup_policy" if family == "backups" and "policy" in write else family
            assert places <= {f"core/operations/families/{module}.py"}


def test_no_text_names_a_write() -> None:
    """No code reaches a write by its name as a string; the client's own routes are called so in its errors."""
    writes = (
        WRITES | BACKUP_WRITES | LIFECYCLE_WRITES | SNAPSHOT_WRITES | FIREWALL_WRITES | LABEL_WRITES | UNUSED_WRITES
    )
    assert not any(functions_using(write) for write in UNUSED_WRITES)
    named = {name for name, texts in source().texts.items() if texts & writes}
    assert {name for name in named if not name.startswith("playground/")} == {"core/wayscloud/requests/endpoints.py"}


@pytest.mark.requirement("gate-no-way-around")
def test_only_reads_and_the_runner_run_an_operation() -> None:
    """`operation.run` is called by the queries, for reads, and by the runner, for approved changes."""
    running = {at for at, owners in source().attributes["run"].items() if "operation" in owners}
    assert running == {"core/service/server_queries.py:_answer", "core/execution/runner.py:_send"}


def test_queries_run_reads_only() -> None:
    """The one call of `_run` comes after the refusal of every operation that does not read."""
    tree = ast.parse((ROOT / "core/service/server_queries.py").read_text(encoding="utf-8"))
    read = next(n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef) and n.name == "read")
    refusing = [
        node
        for node in read.body
        if isinstance(node, ast.If)
        and ast.unparse(node.test) == "not operation.reads"
        and isinstance(node.body[0], ast.Raise)
    ]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "_run"]
    (guard,), (call,) = refusing, calls
    assert guard.lineno < call.lineno
    assert ast.unparse(read.body[-1]).startswith("return await self._run(")


@pytest.mark.requirement("gate-no-way-around")
async def test_a_change_submitted_as_a_read_is_refused(database_url: str, provider: SimulatorHandle) -> None:
    """The service for reads runs no operation that changes a server, for any caller."""
    async with staged(database_url, provider) as stage:
        for name, operation in OPERATIONS.items():
            if not operation.reads:
                with pytest.raises(InvalidInputError, match="changes servers"):
                    await stage.servers.read(Request(name, {"server": "web01"}, ALICE, SLACK), scope=OPERATOR)
    assert dict(provider.simulator.world.counts) == {}


def test_only_the_runner_stores_an_intention() -> None:
    """`sending` is entered in one place, right before the one send."""
    entering = functions_using("SENDING")
    assert entering == {
        "core/execution/runner.py:_intend",
        "core/execution/runner.py:work",  # its transaction
        "core/execution/reconciler.py:_due",  # checks for those of dead processes
        "core/monitoring/change_telemetry.py:_count_step",  # reads it, of what is committed
        "core/monitoring/change_telemetry.py:_entered",
    }


def test_every_writing_operation_has_a_write() -> None:
    """The registry's changes are exactly the client's writes."""
    changes = [operation for operation in OPERATIONS.values() if not operation.reads]
    assert {f"{operation.name}_server" for operation in changes if operation.toolset == "servers"} <= WRITES
    assert len([operation for operation in changes if operation.toolset == "backups"]) == len(BACKUP_WRITES)
