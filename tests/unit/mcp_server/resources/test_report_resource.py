"""The status report as a resource: what the servers cost by owner or by a label, and the changes beside."""

import json
from typing import Any

import mcp.types as t
import pytest
from mcp import Client, MCPError

from tests.unit.mcp_server.harness import ANN, client_of
from vpsops.core.app import Core
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.mcp_server.auth.principal import Caller
from vpsops.mcp_server.protocol.uris import ResourceAddress, ResourceKind, parse_uri
from vpsops.mcp_server.server import ServerOptions
from vpsops.playground.wayscloud import faults
from vpsops.playground.wayscloud.serve import SimulatorHandle

AGENT = Actor(ActorKind.AGENT, "mcp:test-client", "test-client", ANN)


async def read(client: Client, uri: str) -> Any:
    """Return a resource's JSON."""
    (content,) = (await client.read_resource(uri, cache_mode="bypass")).contents
    assert isinstance(content, t.TextResourceContents)
    return json.loads(content.text)


def label(provider: SimulatorHandle, **labels: str) -> None:
    """Give one of the two servers labels."""
    world = provider.simulator.world
    world.override(world.servers()[0], None, None, None, labels=labels)


@pytest.mark.parametrize("dialect", ["sdk"])
@pytest.mark.requirement("report-everywhere")
async def test_costs_are_added_up_by_the_label_that_was_asked_for(
    core: Core, provider: SimulatorHandle, era: str
) -> None:
    """Servers without it are a row that no value can be mistaken for."""
    label(provider, team="shop", owner="ann")
    outcome = await core.gate.submit(
        Request("stop", {"server": "web01"}, AGENT, Origin("mcp"), can_confirm=True), scope=OPERATOR
    )
    assert isinstance(outcome, Held)
    async with client_of(core, era) as client:
        by_team, by_owner = await read(client, "vps://report?label=team"), await read(client, "vps://report")
    assert (by_team["servers"], by_team["cost_by"], by_owner["cost_by"]) == ({"running": 2}, "team", "owner")
    shop, none = by_team["costs"]
    assert (shop["value"], shop["servers"], none["labels"], none["servers"]) == ("shop", 1, "none", 1)
    assert by_team["a_month"]["NOK"] == shop["a_month"]["NOK"] + none["a_month"]["NOK"]
    assert by_owner["costs"][0]["value"] == "ann"
    assert [change["change"] for change in by_team["open"]] == [outcome.change.id]


async def test_what_cannot_be_read_is_said_in_its_place(core: Core, provider: SimulatorHandle) -> None:
    """Changes are there all the same."""
    provider.simulator.faults.add(faults.parse({"kind": "status", "status": 503, "match": {"operation": "list"}}))
    async with client_of(core, "2026-07-28") as client:
        report = await read(client, "vps://report")
    assert report["problem"]
    assert "servers" not in report
    assert report["open_in_all"] == 0


async def test_a_caller_that_may_not_read_has_no_report(core: Core) -> None:
    """As every other read."""
    options = ServerOptions(who=lambda _: Caller(human=ANN, subject="x", scopes=frozenset()))
    async with client_of(core, "2026-07-28", None, options) as client:
        with pytest.raises(MCPError, match="vps:read"):
            await client.read_resource("vps://report")


@pytest.mark.parametrize(
    ("uri", "ref"),
    [
        ("vps://report", ""),
        ("vps://report?label=team", "team"),
        ("vps://report?label=a%2Fb", "a/b"),
        ("vps://report?label=", ""),
        ("vps://report?label=%0A", None),
        (f"vps://report?label={'x' * 64}", None),
        ("vps://report/team", None),
    ],
)
def test_only_its_own_addresses_lead_to_it(uri: str, ref: str | None) -> None:
    """A key is decoded once, and bounded."""
    assert parse_uri(uri) == (None if ref is None else ResourceAddress(ResourceKind.REPORT, ref))
