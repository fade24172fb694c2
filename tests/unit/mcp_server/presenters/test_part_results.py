"""Reads of what a server has, as a host passes them on: the text says it all, and the content keeps its schema."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.unit.mcp_server.harness import ANN, WEB, Human, client_of, text
from tests.unit.mcp_server.tools.test_limits import limited
from vpsops.core.config.settings import Settings
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.arguments import arguments_of
from vpsops.mcp_server.presenters.schemas import output_schema
from vpsops.mcp_server.presenters.servers import result_model
from vpsops.mcp_server.server import ServerOptions
from vpsops.playground.wayscloud.account.account import Item
from vpsops.playground.wayscloud.account.resources import FIREWALL, POLICY, SNAPSHOTS
from vpsops.playground.wayscloud.serve import SimulatorHandle

EVERY: Final = """
[limits.mcp]
toolsets = ["servers", "changes", "catalogue", "lifecycle", "snapshots", "backups", "firewall"]
"""
EMPTY: Final[Mapping[str, str]] = {
    "snapshots": "Snapshots: none.",
    "backups": "Backups: none.",
    "backup_usage": "Total backups: 0.",
    "backup_policy": "The server has no backup policy.",
    "firewall": "Rules: none.",
}


@pytest.mark.parametrize("dialect", ["sdk"])
@pytest.mark.requirement("mcp-text-is-whole")
async def test_a_server_that_has_nothing_is_told_so(settings: Settings, tmp_path: Path, era: str) -> None:
    """In the text; the client holds the content to the schema of the tool."""
    assert set(EMPTY) == {
        name
        for name, operation in OPERATIONS.items()
        if operation.reads
        and operation.toolset not in {"servers", "catalogue"}
        and len(arguments_of(operation.arguments)) == 1
    }
    async with limited(settings, tmp_path, EVERY) as core, client_of(core, era, Human()) as client:
        await client.list_tools()
        for name, words in EMPTY.items():
            result = await client.call_tool(f"vps_{name}", {"server": "web01"})
            assert text(result).startswith(words), name


@pytest.mark.parametrize("dialect", ["sdk"])
@pytest.mark.requirement("mcp-text-is-whole")
async def test_what_a_server_has_is_in_the_text(settings: Settings, provider: SimulatorHandle, tmp_path: Path) -> None:
    """A host that drops structured content leaves nothing out."""
    world = provider.simulator.world
    server = world.find(WEB)
    assert server is not None
    world.items_of(server.id, SNAPSHOTS.key)["before-upgrade"] = Item("before-upgrade", {}, 0.0, world.time.now())
    rule = {"port": 443, "protocol": "tcp", "source": "10.0.0.0/8"}
    world.items_of(server.id, FIREWALL.key)["7"] = Item("7", rule, 0.0, world.time.now())
    async with limited(settings, tmp_path, EVERY) as core, client_of(core, "2026-07-28", Human()) as client:
        await client.list_tools()
        snapshots = text(await client.call_tool("vps_snapshots", {"server": "web01"}))
        assert snapshots.split()[:2] == ["NAME", "STATUS"]
        assert "before-upgrade" in snapshots
        rules = text(await client.call_tool("vps_firewall", {"server": "web01"}))
        assert all(word in rules for word in ("443", "tcp", "10.0.0.0/8"))
        refused = await client.call_tool(
            "vps_backup_policy_set", {"server": "web01", "frequency": "daily", "time_of_day": "25:00"}
        )
        assert text(refused).startswith("vps_backup_policy_set: time_of_day: a time is written as HH:MM, in UTC.")
        assert "vps_backup_policy_set takes: server, frequency, time_of_day" in text(refused)


@pytest.fixture
def oslo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose time zone is Oslo's."""
    monkeypatch.setenv("TZ", "Europe/Oslo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("dialect", ["sdk"])
@pytest.mark.usefixtures("oslo")
@pytest.mark.parametrize("same_machine", [True, False])
async def test_a_policy_has_its_time_in_utc_and_in_that_of_a_shared_machine(
    settings: Settings, provider: SimulatorHandle, tmp_path: Path, same_machine: bool
) -> None:
    """Over HTTP the caller's zone is not known: there the time is in UTC alone, and said to be."""
    world = provider.simulator.world
    server = world.find(WEB)
    assert server is not None
    daily = {"enabled": True, "frequency": "daily", "time_of_day": "03:00", "retention_days": 7}
    world.items_of(server.id, POLICY)[POLICY] = Item(POLICY, daily, 0.0, world.time.now())
    options = ServerOptions(human=ANN, same_machine=same_machine)
    async with limited(settings, tmp_path, EVERY) as core, client_of(core, "2026-07-28", options=options) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        shown = text(await client.call_tool("vps_backup_policy", {"server": "web01"}))
    assert "Time: 03:00 UTC" in shown
    assert ("In this machine's time: 03:00 UTC is 0" in shown) is same_machine
    schema = json.dumps(tools["vps_backup_policy"].output_schema)
    assert '"time_of_day": {"type": "string", "description": "UTC"}' in schema


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.reads])
def test_what_may_be_absent_is_not_required(name: str) -> None:
    """What is not known is left out of the content, and a client refuses content without a required property."""
    model = result_model(OPERATIONS[name].result)
    required = output_schema(model).get("required", [])
    assert isinstance(required, list)
    nullable = {
        field
        for field, value in model.model_json_schema(mode="serialization")["properties"].items()
        if "anyOf" in value
    }
    assert not nullable & {str(field) for field in required}
