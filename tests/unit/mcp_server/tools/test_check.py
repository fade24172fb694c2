"""Evaluation of a change: equal to the change's own result afterwards, and nothing is asked, stored or sent."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp.types import CallToolResult

from tests.harness.internals import database_of
from tests.unit.core.storage.samples import CHANGE
from tests.unit.mcp_server.harness import ALICE, ANN, ORDERS, WEB, Human, client_of, text
from tests.unit.mcp_server.tools.test_limits import limited
from vpsops.core.app import Core
from vpsops.core.audit import chain
from vpsops.core.changes.requests import Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import ActorKind, Approvers, Origin
from vpsops.core.limits.access import AccessScope, Restriction
from vpsops.core.operations import OPERATIONS
from vpsops.core.storage.tables import CHANGES, OUTBOX
from vpsops.mcp_server.presenters.schemas import bounded_properties
from vpsops.mcp_server.server import ServerOptions
from vpsops.mcp_server.tools.check import CHANGES as CHECKABLE
from vpsops.mcp_server.tools.check import Checkable, CheckArguments, override_line, unlisted_arguments
from vpsops.playground.wayscloud.account.account import Item
from vpsops.playground.wayscloud.account.resources import FIREWALL
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
            foreseen = await core.gate.dry_run(agent, scope=OPERATOR)
            assert await stored(core) == before
            became = await core.gate.submit(agent, scope=OPERATOR)
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
    assert await core.changes.list(scope=OPERATOR) == []
    assert dict(provider.simulator.world.counts) == {}


async def test_the_price_of_an_order_is_said(core: Core) -> None:
    """Its cost, before any approver is asked."""
    result = await check(core, operation="create", **NEW)
    assert "a month" in text(result)
    assert result.structured_content is not None
    assert result.structured_content["cost"]


async def test_what_is_on_the_question_can_be_checked(core: Core) -> None:
    """A name and SSH keys too, which the list of tools does not name: what the change refuses, the check refuses."""
    more = {"display_name": "Shop, new", "ssh_keys": [f"ssh-ed25519 {'A' * 68} ann@laptop"]}
    result = await check(core, operation="create", **NEW, **more)
    assert not result.is_error, text(result)
    assert "It is called “Shop, new”." in text(result)
    assert "SSH" in text(result)
    wrong = await check(core, operation="create", **NEW, ssh_keys=["no key"])
    assert wrong.is_error
    assert "SSH key" in text(wrong)


def test_every_argument_of_a_change_can_be_checked() -> None:
    """By its name, listed or not."""
    known = {*Checkable.model_fields, *unlisted_arguments()}
    assert {name for entry in OPERATIONS.values() if not entry.reads for name in entry.arguments.model_fields} <= known


@pytest.mark.parametrize("approval_channel", ["C0APPROVE"])
async def test_approvers_are_named(core: Core) -> None:
    """How many, and from where."""
    result = await check(core, operation="reboot", server="web01")
    assert result.structured_content is not None
    assert result.structured_content["outlook"] == "approvers are asked"
    assert "person in Slack from the members of a Slack channel (C0APPROVE), not its asker" in text(result)


async def test_a_change_that_is_first_is_said_to_be_in_the_way(core: Core) -> None:
    """As it would be to the change itself."""
    held = await core.gate.submit(
        Request("stop", {"server": "web01"}, ALICE, Origin("slack"), can_confirm=True), scope=OPERATOR
    )
    result = await check(core, operation="reboot", server="web01")
    assert not isinstance(held, Refused)
    assert held.change is not None
    assert "waits for alice to confirm it, until" in text(result)
    assert held.change.id in text(result)
    assert len(await core.changes.list(scope=OPERATOR)) == 1


async def test_paused_agents_are_told_so(core: Core) -> None:
    """The pause is met as by a change."""
    await core.gate.pause_agents(ALICE, paused=True, reason="maintenance", scope=OPERATOR)
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


UNLISTED = frozenset({"display_name", "ssh_keys", "description", "protocol", "day_of_week", "lifetime"})
"""Arguments that are taken and not listed: what they cost in tokens is more than they help."""


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if not operation.reads])
def test_every_altering_operation_can_be_checked(name: str) -> None:
    """The check takes each of them, with all arguments of its own tool that decide anything, in the same type."""
    own = bounded_properties(OPERATIONS[name].arguments)
    taken = bounded_properties(CheckArguments)
    assert name in CHECKABLE
    assert own.keys() - UNLISTED <= taken.keys()
    assert own.keys() & UNLISTED <= unlisted_arguments().keys()
    for argument in own.keys() - UNLISTED:
        assert own[argument]["type"] == taken[argument]["type"]


DETAILS: Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "firewall_allow": ({"server": "web01", "port": "443", "source": "10.0.0.0/8", "protocol": "UDP"}, ("443/udp",)),
    "firewall_remove": ({"server": "web01", "rule": "22/tcp"}, ("22/tcp",)),
    "backup_policy_set": (
        {
            "server": "web01",
            "frequency": "weekly",
            "time_of_day": "03:00",
            "retention_days": 14,
            "day_of_week": "Monday",
        },
        ("Day: none → monday", "Days kept: none → 14"),
    ),
}


@pytest.mark.parametrize("dialect", ["sdk"])
@pytest.mark.parametrize("operation", ["firewall_allow", "firewall_remove", "backup_policy_set"])
async def test_ports_and_backup_times_are_checked(core: Core, provider: SimulatorHandle, operation: str) -> None:
    """What would change is said as the card says it, and nothing is sent."""
    world = provider.simulator.world
    server = world.find(WEB)
    assert server is not None
    rule = {"port": 22, "protocol": "tcp", "source": "192.0.2.0/24"}
    world.items_of(server.id, FIREWALL.key)["rule-1"] = Item("rule-1", rule, 0.0, world.time.now())
    reach = AccessScope((Restriction("x", toolsets=frozenset({"servers", "changes", "firewall", "backups"})),))
    async with client_of(core, "legacy", Human(), ServerOptions(human=ANN, reach=reach)) as client:
        result = await client.call_tool("vps_check", {"operation": operation, **DETAILS[operation][0]})
    assert "would be accepted" in text(result)
    for words in DETAILS[operation][1]:
        assert words in text(result)
    assert await core.changes.list(scope=OPERATOR) == []
    assert world.counts.total() == 0


async def test_arguments_beside_the_server_are_checked(core: Core) -> None:
    """A name that stands for another server is refused in the words of its own tool; another one is not."""
    taken = text(await check(core, operation="rename", server="web01", name="db01"))
    assert "stands for another server" in taken
    assert "rename" in text(await check(core, operation="rename", server="web01", name="Shop")).lower()
    absent = text(await check(core, operation="snapshot_create", server="web01", snapshot="before"))
    assert "does not offer" in absent  # the documented API has no such list


def test_a_check_names_those_who_may_run_it_without_approval() -> None:
    """By the list of every rule; an assistant never may, and without a list nothing is said."""
    lists = (Approvers(groups=("S0ONCALL",)), Approvers(people=("ann@example.com",)))
    line = override_line(replace(CHANGE, ruling=replace(CHANGE.ruling, overrides=lists)))
    assert "S0ONCALL" in line
    assert "and also among ann@example.com" in line
    assert "an assistant may not" in line
    assert override_line(CHANGE) == ""
