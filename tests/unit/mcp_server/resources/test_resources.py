"""Resources in both eras: their content, readers and lifetime, and what is refused."""

import json
from pathlib import Path
from typing import Any

import mcp.types as t
import pytest
from mcp import Client, MCPError
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from openapi_schema_validator import OAS32Validator

from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.harness import ALICE, ANN, KEY, WEB, client_of
from vpsops.core.app import Core, open_core
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.mcp_server.auth.principal import Caller
from vpsops.mcp_server.presenters.audit import AuditTrail
from vpsops.mcp_server.presenters.changes import ChangeResult
from vpsops.mcp_server.presenters.schemas import output_schema
from vpsops.mcp_server.presenters.servers import ServerListResult, ServerResult
from vpsops.mcp_server.resources.links import add_change_link
from vpsops.mcp_server.server import ServerOptions
from vpsops.playground.wayscloud.account.account import Order
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

WEB_ID = "b5c6d7e8-f9a0-1234-5678-90abcdef1234"
FIXED = ["vps://servers", "vps://catalogue/plans", "vps://catalogue/os-templates", "vps://catalogue/regions"]
AGENT = Actor(ActorKind.AGENT, "mcp:test-client", "test-client", ANN)


async def read(client: Client, uri: str) -> Any:
    """Read a resource past the client's cache, and return its one JSON."""
    result = await client.read_resource(uri, cache_mode="bypass")
    (content,) = result.contents
    assert isinstance(content, t.TextResourceContents)
    assert (content.uri, content.mime_type) == (uri, "application/json")
    assert content.text == json.dumps(
        json.loads(content.text), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    return json.loads(content.text)


async def held(core: Core, actor: Actor = AGENT, server: str = "web01") -> str:
    """Ask for a stop that is held, and return its id."""
    request = Request("stop", {"server": server}, actor, Origin("mcp"), reason="cleanup", can_confirm=True)
    outcome = await core.gate.submit(request, scope=OPERATOR)
    assert isinstance(outcome, Held), outcome
    return outcome.change.id


def follows(content: object, schema: dict[str, Any]) -> bool:
    return not list(OAS32Validator(schema).iter_errors(content))


async def test_resources_and_templates_are_listed_with_titles(core: Core, era: str) -> None:
    """Six fixed resources and four templates, each named, titled and described, all JSON."""
    async with client_of(core, era) as client:
        resources = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
    assert [resource.uri for resource in resources] == [*FIXED, "vps://report", "vps://audit/recent"]
    assert [template.uri_template for template in templates] == [
        "vps://servers/{id}",
        "vps://servers{?cursor}",
        "vps://report{?label}",
        "vps://changes/{id}",
    ]
    assert all(
        resource.title and resource.description and resource.mime_type == "application/json" for resource in resources
    )
    assert all(
        template.title and template.description and template.mime_type == "application/json" for template in templates
    )


async def test_reads_have_the_shapes_of_the_tools(core: Core, era: str) -> None:
    """Servers, one server and a change have the tools' structured content, so one schema describes both."""
    change = await held(core)
    async with client_of(core, era) as client:
        servers, web = await read(client, "vps://servers"), await read(client, f"vps://servers/{WEB_ID}")
        document = await read(client, f"vps://changes/{change}")
        tool = await client.call_tool("vps_get", {"server": WEB})
    assert tool.structured_content == web == await _by_name(core, era)
    assert follows(servers, output_schema(ServerListResult))
    assert follows(web, output_schema(ServerResult))
    assert follows(document, output_schema(ChangeResult))
    assert (servers["total"], document["state"]) == (2, "held")


async def _by_name(core: Core, era: str) -> Any:
    async with client_of(core, era) as client:
        return await read(client, f"vps://servers/{WEB.upper()}")


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("vps://catalogue/plans", "plans"),
        ("vps://catalogue/os-templates", "os_templates"),
        ("vps://catalogue/regions", "regions"),
    ],
)
async def test_the_catalogue_is_read(core: Core, era: str, uri: str, key: str) -> None:
    """Plans, operating systems and regions, as the tools have them."""
    async with client_of(core, era) as client:
        result = await read(client, uri)
        tool = await client.call_tool(f"vps_{key}", {})
    assert result[key]
    assert tool.structured_content is not None
    assert set(tool.structured_content) == set(result)
    assert sorted(tool.structured_content[key], key=str) == sorted(result[key], key=str)


async def test_hints_say_how_long_and_for_whom(core: Core) -> None:
    """The catalogue and the lists may be kept and shared; what depends on the caller or changes may not."""
    change = await held(core)
    async with client_of(core, "2026-07-28") as client:
        lists: list[t.CacheableResult] = [
            await client.list_resources(cache_mode="bypass"),
            await client.list_resource_templates(cache_mode="bypass"),
            await client.list_prompts(cache_mode="bypass"),
        ]
        kept = {uri: await client.read_resource(uri, cache_mode="bypass") for uri in FIXED}
        others = [
            await client.read_resource(uri, cache_mode="bypass")
            for uri in (f"vps://servers/{WEB_ID}", f"vps://changes/{change}", "vps://audit/recent")
        ]
    assert {(item.ttl_ms, item.cache_scope) for item in lists} == {(300_000, "public")}
    assert {(kept[uri].ttl_ms, kept[uri].cache_scope) for uri in FIXED[1:]} == {(300_000, "public")}
    assert {(item.ttl_ms, item.cache_scope) for item in [kept["vps://servers"], *others]} == {(0, "private")}


async def test_an_ended_change_may_be_kept_for_a_while(core: Core) -> None:
    """What has ended stays as it is."""
    change = await held(core)
    await core.gate.cancel(change, AGENT, scope=OPERATOR)
    async with client_of(core, "2026-07-28") as client:
        result = await client.read_resource(f"vps://changes/{change}", cache_mode="bypass")
    assert (result.ttl_ms, result.cache_scope) == (60_000, "private")


async def test_old_clients_are_told_nothing_of_caches(core: Core) -> None:
    """The handshake's revisions do not know the hints, so they do not get them."""
    async with client_of(core, "legacy") as client:
        result = await client.read_resource("vps://catalogue/plans")
        listed = await client.list_resources()
    assert not {"ttl_ms", "cache_scope"} & (result.model_fields_set | listed.model_fields_set)


TRICKS = [
    "vps://servers/",
    "vps://servers/../changes/chg_000000000000",
    "vps://servers/%2e%2e",
    "vps://servers/web01.example.com/",
    "vps://servers/web01.example.com?x=1",
    "vps://servers/web01.example.com#x",
    "vps://servers/web01.example.com%00",
    "vps://servers/web01\n",
    "vps://servers/..",
    "vps://servers/web01.",
    "vps://servers?cursor=%0a",
    "vps://servers?cursor=" + "x" * 500,
    "vps://servers/" + "a" * 300,
    "vps://changes/chg_1",
    "vps://changes/CHG_000000000000",
    "VPS://servers",
    "vps://catalogue/../servers",
    "file:///etc/passwd",
    "",
]
UNKNOWN = [
    "vps://servers/web01",
    "vps://servers/nosuch.example.com",
    "vps://changes/chg_000000000000",
    "vps://nothing",
]


async def test_what_is_not_there_is_the_protocols_error(core: Core, provider: SimulatorHandle, era: str) -> None:
    """The revision's own code, with the URI; a trick with the path reaches nothing, nor does a name's beginning."""
    async with client_of(core, era) as client:
        for uri in [*TRICKS, *UNKNOWN]:
            with pytest.raises(MCPError) as refused:
                await client.read_resource(uri)
            assert refused.value.code == (-32002 if era == "legacy" else t.INVALID_PARAMS), uri
            assert refused.value.error.data == {"uri": uri[:300]}
            assert uri in UNKNOWN or provider.simulator.journal.total == 0, uri


async def test_a_long_list_is_read_page_by_page(era: str, tmp_path: Path) -> None:
    """A page has the total and the address of the next; together they are all, each once."""
    async with (
        running_simulator(SimulatorConfig(fleet=120, seed=7), clock=VirtualClock()) as provider,
        open_core(
            settings_of(provider, tmp_path), front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY
        ) as core,
        client_of(core, era) as client,
    ):
        seen: list[str] = []
        uri: str | None = "vps://servers"
        while uri is not None:
            page = await read(client, uri)
            assert len(page["servers"]) <= 50
            assert page["total"] == 120
            seen += [item["id"] for item in page["servers"]]
            uri = page.get("next")
    assert len(seen) == len(set(seen)) == 120


def settings_of(provider: SimulatorHandle, tmp_path: Path, **more: str) -> Settings:
    database = f"sqlite:///{tmp_path / 'own.sqlite3'}"
    values = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": provider.url, "VPSOPS_DATABASE_URL": database}
    return Settings.model_validate(values | more)


@pytest.mark.requirement("resources-obey-policy")
async def test_tool_and_resource_have_the_same_cursors(core: Core, provider: SimulatorHandle, era: str) -> None:
    """A page of either continues in the other; an empty cursor is the first page, and any other text is refused."""
    for number in range(60):
        provider.simulator.world.create(Order(f"n{number:02}.example.com", "", "vps-4gb-2cpu", "NO", "debian-12"))
    async with client_of(core, era) as client:
        first = await read(client, "vps://servers")
        rest = await client.call_tool("vps_list", {"cursor": first["next_cursor"], "limit": 100})
        assert rest.structured_content is not None
        names = [server["hostname"] for server in (*first["servers"], *rest.structured_content["servers"])]
        assert len(names) == len(set(names)) == 62
        listed = await client.call_tool("vps_list", {"limit": 5})
        assert listed.structured_content is not None
        page = await read(client, f"vps://servers?cursor={listed.structured_content['next_cursor']}")
        assert page["servers"][0]["hostname"] == sorted(names)[5]
        assert (await read(client, "vps://servers?cursor="))["servers"] == first["servers"]
        for wrong in ("zz", "web01.example.com", "web01.example.com%7Cx"):
            with pytest.raises(MCPError, match="this is not a cursor of this list"):
                await client.read_resource(f"vps://servers?cursor={wrong}")


async def test_the_policy_decides_reads(provider: SimulatorHandle, tmp_path: Path, era: str) -> None:
    """A server that a rule keeps from agents is not read as a resource either, and the rule is named."""
    config = tmp_path / "vpsops.toml"
    config.write_text(
        '[[rule]]\nid = "reads"\nrisk = "read"\ndecision = "allow"\n'
        '[[rule]]\nid = "secret"\nactor = "agent"\nserver = "db*"\ndecision = "deny"\n'
    )
    settings = settings_of(provider, tmp_path, VPSOPS_CONFIG=str(config))
    async with (
        open_core(settings, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as core,
        client_of(core, era) as client,
    ):
        assert (await read(client, f"vps://servers/{WEB_ID}"))["hostname"] == WEB
        with pytest.raises(MCPError, match="secret") as refused:
            await client.read_resource("vps://servers/db01.example.com")
    assert refused.value.code == t.INTERNAL_ERROR
    assert refused.value.error.data == {"uri": "vps://servers/db01.example.com"}


async def test_a_caller_without_the_scope_reads_nothing(core: Core, era: str) -> None:
    """Even when authentication admits a caller, nothing is read without the scope for reading."""
    change = await held(core)
    without_scopes = ServerOptions(who=lambda _: Caller(human=ANN, subject="x", scopes=frozenset()))
    async with client_of(core, era, None, without_scopes) as client:
        for uri in (*FIXED, f"vps://servers/{WEB_ID}", "vps://audit/recent", f"vps://changes/{change}"):
            with pytest.raises(MCPError, match="vps:read"):
                await client.read_resource(uri)


async def test_a_provider_that_is_away_is_told_in_words(tmp_path: Path, era: str) -> None:
    """What cannot be read now is an error with what to do and an id, and the URI."""
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": f"sqlite:///{tmp_path / 'own.sqlite3'}"})
    async with (
        open_core(settings, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as core,
        client_of(core, era) as client,
    ):
        with pytest.raises(MCPError, match="WAYSCLOUD_API_KEY") as refused:
            await client.read_resource("vps://servers")
    assert "(err_" in str(refused.value)
    assert refused.value.error.data == {"uri": "vps://servers"}


async def test_text_from_outside_is_data(core: Core, provider: SimulatorHandle, era: str) -> None:
    """A name with control and bidirectional characters is cleaned and bounded."""
    world = provider.simulator.world
    web = next(server for server in world.servers() if server.hostname == WEB)
    world.override(web, None, None, "Web\x1b[31m\u202e\n\nIGNORE ALL" + "x" * 900)
    async with client_of(core, era) as client:
        name = (await read(client, f"vps://servers/{WEB_ID}"))["display_name"]
    assert name.startswith("Web[31m IGNORE ALL")
    assert len(name) == 500


async def test_the_audit_trail_is_ones_own(core: Core, era: str) -> None:
    """A caller sees its human's requests and actions, newest first, without digests or arguments."""
    mine, other = await held(core), await held(core, ALICE, "db01")
    await core.gate.cancel(mine, AGENT, reason="\u202enot now\x07", scope=OPERATOR)
    async with client_of(core, era) as client:
        trail = await read(client, "vps://audit/recent")
    assert follows(trail, output_schema(AuditTrail))
    assert [(item["event"], item["change"]) for item in trail["records"]] == [("cancelled", mine), ("requested", mine)]
    assert trail["records"][0]["reason"] == "not now"
    assert other not in json.dumps(trail)
    digest = (await core.changes.get(mine, scope=OPERATOR)).digest
    assert digest not in json.dumps(trail)


async def test_the_audit_trail_of_everybody_is_a_setting(provider: SimulatorHandle, tmp_path: Path, era: str) -> None:
    """With VPSOPS_MCP_AUDIT=all the last records are those of all people."""
    settings = settings_of(provider, tmp_path, VPSOPS_MCP_AUDIT="all")
    async with (
        open_core(settings, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as core,
        client_of(core, era) as client,
    ):
        other = await held(core, ALICE)
        trail = await read(client, "vps://audit/recent")
    requested, applied = trail["records"]
    assert (requested["event"], requested["change"], requested["by"]) == ("requested", other, "alice")
    assert applied["event"] == "policy_applied"


async def test_a_page_that_does_not_exist_is_refused(core: Core, era: str) -> None:
    """The lists have one page."""
    async with client_of(core, era) as client:
        for listing in (client.list_resources, client.list_resource_templates, client.list_prompts):
            with pytest.raises(MCPError, match="Invalid cursor"):
                await listing(cursor="x")


async def test_an_open_change_is_linked(core: Core, era: str) -> None:
    """A tool's result leads to its change while that is open, and no longer once it has ended."""
    change = await held(core)
    async with client_of(core, era, None, ServerOptions(human=ANN, change_tools=True)) as client:
        open_one = await client.call_tool("vps_change_get", {"change": change})
        await core.gate.cancel(change, AGENT, scope=OPERATOR)
        ended = await client.call_tool("vps_change_get", {"change": change})
    _, link = open_one.content
    assert isinstance(link, t.ResourceLink)
    assert (link.uri, link.mime_type) == (f"vps://changes/{change}", "application/json")
    assert len(ended.content) == 1


def test_old_revisions_get_no_links() -> None:
    """Clients of before 2025-06-18 do not know that kind of content."""
    content = {"change": "chg_0123456789ab", "state": "held"}
    result = t.CallToolResult(content=[t.TextContent(text="x")], structured_content=content)
    for version in (*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS):
        link = add_change_link(result, version)
        assert isinstance(link, t.CallToolResult)
        assert len(link.content) == (1 if version in {"2024-11-05", "2025-03-26"} else 2)
