"""Evaluation of a change: equal to the change's own result afterwards, and nothing is asked, stored or sent."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp.types import CallToolResult

from tests.harness.internals import database_of
from tests.unit.mcp_server.harness import ALICE, ANN, ORDERS, WEB, Human, client_of, text
from tests.unit.mcp_server.tools.test_limits import limited
from vpsops.core.app import Core
from vpsops.core.audit import chain
from vpsops.core.changes.requests import Refused, Request
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import ActorKind, Origin
from vpsops.core.limits.access import AccessScope, Restriction
from vpsops.core.operations import OPERATIONS
from vpsops.core.storage.tables import CHANGES, OUTBOX
from vpsops.mcp_server.presenters.schemas import required_names
from vpsops.mcp_server.server import ServerOptions
from vpsops.mcp_server.tools.check import CHANGES as CHECKABLE
from vpsops.mcp_server.tools.check import CheckArguments
from vpsops.playground.wayscloud.serve import SimulatorHandle

NEW: Mapping[str, Any] = {"hostname": "n1.example.com", **ORDERS["seed"]}
SETUPS: Mapping[str, str] = {
    "plain": "",
    "protected": '[limits]\nprotected = ["web*"]\n',
    "full": "[limits]\nmax_servers = 1\n",
    "dear": "[limits]\nmax_monthly_spend = 1\n",
    "often": "[limits]\nmax_changes_per_hour = 1\n",
}


async def stored(core: Core) -> list[object]:
    """Return all that a change would leave behind."""
    records = await database_of(core).read(chain.read)
    rows = await database_of(core).read(
        lambda connection: [tuple(row) for table in (CHANGES, OUTBOX) for row in connection.execute(table.select())]
    )
    return [len(records), rows]


async def check(core: Core, **arguments: object) -> CallToolResult:
    async with client_of(core, "legacy", Human()) as client:
        await client.list_tools()  # so that the client holds the result to its schema
        return await client.call_tool("vps_check", arguments)


@pytest.mark.requirement("check-changes-nothing")
@pytest.mark.parametrize("setup", SETUPS)
async def test_a_check_says_what_the_change_says_and_leaves_nothing(
    settings: Settings, provider: SimulatorHandle, tmp_path: Path, setup: str
) -> None:
    """For each limit: the same refusal, word for word, or the same question; and nothing is left behind."""
    async with limited(settings, tmp_path, SETUPS[setup]) as core:
        for operation, arguments in (("create", NEW), ("stop", {"server": "web01"}), ("reboot", {"server": "db01"})):
            agent = Request(operation, arguments, ALICE, Origin("slack"), can_confirm=True)
            before = await stored(core)
            foreseen = await core.gate.dry_run(agent)
            assert await stored(core) == before
            became = await core.gate.submit(agent)
            if isinstance(became, Refused):
                assert foreseen.refusal is not None, became
                assert (foreseen.refusal.reason, foreseen.refusal.hint) == (became.reason, became.hint)
            else:
                assert foreseen.refusal is None
                assert became.change is not None
                assert foreseen.change.ruling == became.change.ruling
                assert foreseen.change.digest == became.change.digest
                assert foreseen.change.state is became.change.state
    assert not {"create"} & set(provider.simulator.world.counts) or setup == "plain"


async def test_who_must_agree_is_said_and_nobody_is_asked(core: Core, provider: SimulatorHandle) -> None:
    """The client's own human, here; the tool to call then is named."""
    result = await check(core, operation="stop", server="web01")
    assert not result.is_error
    assert result.structured_content is not None
    assert result.structured_content["outlook"] == "your human is asked"
    assert result.structured_content["server"]["hostname"] == WEB
    assert f"stop {WEB} would be accepted; no one was asked, and nothing is stored." in text(result)
    assert "Who must agree: ann@example.com, asked by your client." in text(result)
    assert text(result).endswith("Then call vps_stop to ask for it.")
    assert await core.changes.list() == []
    assert dict(provider.simulator.world.counts) == {}


async def test_the_price_of_an_order_is_said(core: Core) -> None:
    """Its cost, before any approver is asked."""
    result = await check(core, operation="create", **NEW)
    assert "a month" in text(result)
    assert result.structured_content is not None
    assert result.structured_content["cost"]


@pytest.mark.parametrize("approval_channel", ["C0APPROVE"])
async def test_approvers_are_named(core: Core) -> None:
    """How many, and from where."""
    result = await check(core, operation="reboot", server="web01")
    assert result.structured_content is not None
    assert result.structured_content["outlook"] == "approvers are asked"
    assert "person in Slack from members of C0APPROVE, not its asker" in text(result)


async def test_a_change_that_is_first_is_said_to_be_in_the_way(core: Core) -> None:
    """As it would be to the change itself."""
    held = await core.gate.submit(Request("stop", {"server": "web01"}, ALICE, Origin("slack"), can_confirm=True))
    result = await check(core, operation="reboot", server="web01")
    assert not isinstance(held, Refused)
    assert held.change is not None
    assert f"{held.change.id} is first" in text(result)
    assert len(await core.changes.list()) == 1


async def test_paused_agents_are_told_so(core: Core) -> None:
    """The pause is met as by a change."""
    await core.gate.pause_agents(ALICE, paused=True, reason="maintenance")
    result = await check(core, operation="stop", server="web01")
    assert "would be refused" in text(result)
    assert "paused" in text(result)
    assert ALICE.kind is ActorKind.PERSON


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ({}, "vps_check: operation: is missing."),
        ({"operation": "destroy"}, "vps_check: operation: must be one of create, start, stop, reboot"),
        ({"operation": "stop"}, "vps_stop: server: is missing. vps_list lists the servers."),
        ({"operation": "stop", "server": "web01", "plan": "x"}, "vps_stop: plan: there is no such argument."),
        ({"operation": "create", "hostname": "n1.example.com"}, "vps_create: plan, region, os_template: are missing."),
        ({"operation": "start", "server": "web01"}, "is running already"),
        ({"operation": "stop", "server": "nope"}, "There is no server called 'nope'."),
    ],
)
async def test_what_makes_no_sense_is_said_as_the_change_says_it(core: Core, arguments: Any, answer: str) -> None:
    """In the words of the change's own tool."""
    result = await check(core, **arguments)
    assert result.is_error
    assert answer in text(result)


async def test_a_tool_that_is_switched_off_is_said_to_be(core: Core) -> None:
    """A reader may evaluate a change, and reads that it may not request it."""
    reach = AccessScope((Restriction("x", read_only=True),))
    async with client_of(core, "legacy", Human(), ServerOptions(human=ANN, reach=reach)) as client:
        result = await client.call_tool("vps_check", {"operation": "stop", "server": "web01"})
    assert not result.is_error
    refused = "stop web01.example.com would be refused. The limit x read_only (true) forbids it: "
    assert text(result).startswith(f"{refused}vps_stop is switched off here.")


def test_every_listed_change_can_be_described() -> None:
    """Its own tool's required arguments are among those that the check takes."""
    for name in CHECKABLE:
        assert required_names(OPERATIONS[str(name)].arguments) <= CheckArguments.model_fields.keys()
    assert {"delete", "snapshot_rollback", "backup_restore"} <= {str(name) for name in CHECKABLE}


async def test_arguments_beside_the_server_are_checked(core: Core) -> None:
    """A name that stands for another server is refused in the words of its own tool; another one is not."""
    taken = text(await check(core, operation="rename", server="web01", name="db01"))
    assert "stands for another server" in taken
    assert "rename" in text(await check(core, operation="rename", server="web01", name="Shop")).lower()
    absent = text(await check(core, operation="snapshot_create", server="web01", snapshot="before"))
    assert "does not offer" in absent  # the documented API has no such list
