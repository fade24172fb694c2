"""An unmet precondition names the tool call that meets it, to a caller that has the tool; it is not made by itself."""

import json
from datetime import timedelta

import pytest

from tests.unit.mcp_server.harness import ANN, WEB, Human, client_of, text
from vpsops.core.app import Core
from vpsops.core.common.errors import Remedy
from vpsops.core.limits.access import AccessScope, Restriction
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.registry import Risk
from vpsops.mcp_server.presenters.changes import first_step
from vpsops.mcp_server.server import ServerOptions
from vpsops.playground.wayscloud.account.account import Item
from vpsops.playground.wayscloud.account.resources import SNAPSHOTS
from vpsops.playground.wayscloud.serve import SimulatorHandle

ALL = frozenset(operation.toolset for operation in OPERATIONS.values()) | {"changes"}
CALLS = ("vps_snapshot_rollback", "vps_check")


@pytest.mark.parametrize("dialect", ["sdk"])
@pytest.mark.parametrize("tool", CALLS)
@pytest.mark.requirement("stop-first")
async def test_a_rollback_of_a_running_server_names_the_stop(core: Core, provider: SimulatorHandle, tool: str) -> None:
    """The call stands there whole; a caller without it is sent to their human. No question is asked for either."""
    world, human = provider.simulator.world, Human()
    server = world.find(WEB)
    assert server is not None
    world.items_of(server.id, SNAPSHOTS.key)["monday"] = Item("monday", {}, 0.0, world.time.now() - timedelta(days=1))
    more = {"operation": "snapshot_rollback"} if tool == "vps_check" else {}
    for denied, next_step in (
        (frozenset[str](), f"First call vps_stop {json.dumps({'server': server.id})}."),
        (frozenset({"vps_stop"}), f"ask your human for stop {json.dumps({'server': server.id})}."),
    ):
        reach = AccessScope((Restriction("x", toolsets=ALL, deny_tools=denied),))
        async with client_of(core, "legacy", human, ServerOptions(human=ANN, reach=reach)) as client:
            result = await client.call_tool(tool, {"server": "web01", "snapshot": "monday", **more})
        assert result.is_error
        assert "only a stopped server can be rolled back" in text(result)
        assert next_step in text(result)
        assert "/vps" not in text(result)
    assert human.questions == []
    assert world.counts.total() == 0


def test_a_stored_remedy_is_read_back_and_nothing_else_is() -> None:
    """A row of another version may hold anything under this key."""
    remedy = Remedy("stop", {"server": "srv-1"}, WEB)
    assert Remedy.from_stored(remedy.stored) == remedy
    for value in (None, "stop", {}, {"operation": "stop"}, {**remedy.stored, "arguments": "all"}):
        assert Remedy.from_stored(value) is None


@pytest.mark.parametrize("has_tool", [True, False, None])
def test_a_model_is_never_directed_to_destroy(has_tool: bool | None) -> None:
    """A remedy that destroys is a question to the human, whatever tools the model has."""
    for name, operation in OPERATIONS.items():
        step = first_step(Remedy(name, {"server": "srv-1"}, WEB), has_tool=has_tool)
        destroys = operation.risk is Risk.DESTRUCTIVE
        assert step.startswith("Ask your human first" if destroys else ("First call", "You have no tool")), name
