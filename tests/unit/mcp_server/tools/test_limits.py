"""Limits of an MCP server: by the file, by flags, by a token; refused when a call arrives, and left out of the list."""

import argparse
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.internals import database_of
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.harness import ALICE, ANN, ERAS, Human, client_of, text
from tests.unit.mcp_server.http_harness import ANN_TOKEN, BOB_TOKEN, TOKENS, http_client, serving, with_tokens
from tests.unit.mcp_server.tools.tool_snapshots import all_tools
from vpsops.core.app import Core, open_core
from vpsops.core.audit import chain
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Origin
from vpsops.core.limits.access import AccessScope, Restriction
from vpsops.core.limits.tool_names import ALTERING, ON_DEMAND, SECRET, TOOLS, USUAL
from vpsops.mcp_server.auth.access import add_flags, reach_from_flags
from vpsops.mcp_server.auth.issuer import IssuerConfig
from vpsops.mcp_server.auth.jwt_verifier import verified_token_from
from vpsops.mcp_server.auth.static_tokens import read_tokens
from vpsops.mcp_server.fast_start import responder
from vpsops.mcp_server.fast_start import snapshot as early
from vpsops.mcp_server.server import ServerOptions, build_server, write_tools
from vpsops.playground.wayscloud.serve import SimulatorHandle

CHANGES = {tool for tool, toolset in TOOLS.items() if toolset == "changes"}
CATALOGUE = {"vps_plans", "vps_os_templates", "vps_regions", "vps_addons"}
SERVED = {tool for tool, toolset in TOOLS.items() if toolset in USUAL} - ON_DEMAND
NEW = {"plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}


def flags(*words: str) -> AccessScope:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return reach_from_flags(parser.parse_args(words))


@asynccontextmanager
async def limited(settings: Settings, folder: Path, limits: str) -> AsyncIterator[Core]:
    path = folder / "vpsops.toml"
    path.write_text(limits)
    async with open_core(
        settings.model_copy(update={"config": path}),
        front="mcp",
        timing=QUICK,
        clock=VirtualClock(),
        accounts=EVERYBODY,
    ) as core:
        yield core


async def listed(client: Client) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


async def refusals(core: Core) -> list[Mapping[str, Any]]:
    records = await database_of(core).read(chain.read)
    return [record.body for record in records if record.event == "refused"]


def test_the_core_knows_the_tools_by_their_names() -> None:
    """Toolsets hold every tool once, and a tool that is not marked as reading alters."""
    tools = all_tools()
    assert set(TOOLS) == {tool.name for tool in tools}
    assert {tool.name for tool in tools if not (tool.annotations and tool.annotations.read_only_hint)} == ALTERING
    assert write_tools() == ALTERING


NARROW = [
    ("[limits.mcp]\nread_only = true\n", (), SERVED - ALTERING, "read_only (true)"),
    ("", ("--read-only",), SERVED - ALTERING, "read_only (true)"),
    ('[limits.mcp]\ntoolsets = "catalogue"\n', (), CATALOGUE, "toolsets (catalogue)"),
    ("", ("--toolsets", "catalogue, changes"), CATALOGUE | CHANGES, "toolsets (cat"),
    ("", ("--tools", "vps_li*,vps_get"), {"vps_list", "vps_get"}, "tools (vps_get, vps_li*)"),
    ('[limits.mcp]\ndeny_tools = ["vps_st*"]\n', ("--deny-tools", "vps_re*"), None, "deny_tools (vps_st*)"),
]


@pytest.mark.parametrize(("written", "words", "left", "answer"), NARROW)
async def test_what_is_switched_off_is_refused_at_the_call_and_not_listed(
    settings: Settings,
    tmp_path: Path,
    provider: SimulatorHandle,
    era: str,
    written: str,
    words: tuple[str, ...],
    left: set[str] | None,
    answer: str,
) -> None:
    """The refusal names the limit, its value and its place, has an id and is on record; the list never varies."""
    options = ServerOptions(human=ANN, reach=flags(*words))
    left = {tool for tool in SERVED if not tool.startswith(("vps_st", "vps_re"))} if left is None else left
    async with limited(settings, tmp_path, written) as core, client_of(core, era, Human(), options) as client:
        assert await listed(client) == left
        for name in set(TOOLS) - left:
            refused = await client.call_tool(name, {"server": "web01", "change": "chg_1"})
            assert refused.is_error
            assert f"{name} is switched off here" in text(refused)
        stop = await client.call_tool("vps_stop", {"server": "web01"})
        assert answer in text(stop)
        assert "Tell your human" in text(stop)
        assert "(err_" in text(stop)
        assert await listed(client) == left
        assert await core.changes.list(scope=OPERATOR) == []
        recorded = await refusals(core)
    assert provider.simulator.journal.total == 0
    assert {item["operation"] for item in recorded} == set(TOOLS) - left
    assert recorded[-1]["error"] in text(stop)


async def test_flags_never_widen_what_the_file_leaves(settings: Settings, tmp_path: Path) -> None:
    """A flag that names what the file switched off leaves nothing, which refuses to start."""
    async with limited(settings, tmp_path, '[limits.mcp]\ntoolsets = "catalogue"\n') as core:
        with pytest.raises(ConfigurationError, match="leave no tool"):
            build_server(core, ServerOptions(reach=flags("--toolsets", "servers")))
        async with client_of(
            core, ERAS[0], None, ServerOptions(reach=flags("--tools", "vps_*", "--read-only"))
        ) as client:
            assert await listed(client) == CATALOGUE


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("--toolsets", "server"), "--toolsets: unknown toolset server. Did you mean servers?"),
        (("--tools", ""), "--tools:  is not the name of a tool"),
        (("--deny-tools", "vps_x*"), "--deny-tools: vps_x* means no tool there is"),
        (("--servers", "we b"), "--servers: we b is not a hostname"),
    ],
)
def test_a_flag_that_cannot_hold_refuses_to_start(words: tuple[str, ...], answer: str) -> None:
    """The error names it as typed, and lists the choices."""
    with pytest.raises(ConfigurationError) as refused:
        flags(*words)
    assert str(refused.value).replace("''", "").startswith(answer)


@pytest.mark.requirement("narrowing-never-widens")
async def test_servers_out_of_sight_are_not_there(settings: Settings, tmp_path: Path, era: str) -> None:
    """Not listed, not named in a refusal, no change of theirs shown or cancelled, none made; resources neither."""
    async with limited(settings, tmp_path, '[limits.mcp]\nservers = ["web*"]\n') as core:
        outcome = await core.gate.submit(
            Request("stop", {"server": "db01"}, ALICE, Origin("slack"), can_confirm=True), scope=OPERATOR
        )
        assert isinstance(outcome, Held)
        hidden = outcome.change
        async with client_of(core, era, Human(), ServerOptions(human=ANN)) as client:
            assert "db01" not in text(await client.call_tool("vps_list", {}))
            for tool in ("vps_get", "vps_status", "vps_stop", "vps_start"):
                unknown = await client.call_tool(tool, {"server": "db01"})
                assert "There is no server called 'db01'" in text(unknown)
                assert "db01.example.com" not in text(unknown)
            assert text(await client.call_tool("vps_changes", {"open_only": False})) == "There are no changes yet."
            for tool in ("vps_change_get", "vps_change_wait", "vps_change_cancel"):
                assert f"There is no change {hidden.id}" in text(await client.call_tool(tool, {"change": hidden.id}))
            made = await client.call_tool("vps_create", {"hostname": "db09.example.com", **NEW})
            assert "The limit servers (web*) forbids it" in text(made)
            for uri in (
                f"vps://servers/{hidden.target.id}",
                "vps://servers/db01.example.com",
                f"vps://changes/{hidden.id}",
            ):
                with pytest.raises(MCPError):
                    await client.read_resource(uri)
            assert "db01" not in str(await client.read_resource("vps://servers"))
            assert "db01" not in str(await client.read_resource("vps://audit/recent"))
            stopped = await client.call_tool("vps_stop", {"server": "web01"})
            assert not stopped.is_error, text(stopped)


async def test_calls_of_every_tool_count_against_the_rate(settings: Settings, tmp_path: Path, era: str) -> None:
    """The tools on changes too; a refusal has the time of the next call."""
    async with limited(settings, tmp_path, "[limits]\ncalls_per_minute = 3\n") as core:
        async with client_of(core, era, None, ServerOptions(human=ANN)) as client:
            first = [await client.call_tool(tool, {}) for tool in ("vps_changes", "vps_list", "vps_changes")]
            refused = [await client.call_tool(tool, {}) for tool in ("vps_changes", "vps_list")]
        assert not any(item.is_error for item in first)
        assert all("calls_per_minute (3)" in text(item) and "Call again in " in text(item) for item in refused)
        assert len(await refusals(core)) == 1


async def test_a_token_narrows_what_its_bearer_may_use_and_see(core: Core, settings: Settings, tmp_path: Path) -> None:
    """Toolsets and servers of one token, beside another that has all."""
    narrow = TOKENS.replace('scopes = ["vps:read"]', 'scopes = ["vps:write"]\ntoolsets = "servers"\nservers = ["web*"]')
    known = with_tokens(settings, tmp_path, narrow)
    async with (
        serving(core, known) as (site, _),
        http_client(site.url, ERAS[1], BOB_TOKEN) as bob,
        http_client(site.url, ERAS[1], ANN_TOKEN) as ann,
    ):
        assert await listed(bob) == SERVED - CATALOGUE - CHANGES
        assert await listed(ann) == SERVED
        assert "this token's toolsets (servers)" in text(await bob.call_tool("vps_plans", {}))
        assert "db01" in text(await ann.call_tool("vps_list", {}))
        assert "db01" not in text(await bob.call_tool("vps_list", {}))
        with pytest.raises(MCPError):
            await bob.read_resource("vps://catalogue/plans")


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        (
            'toolsets = ["x"]',
            "token 2: toolsets: unknown toolset x. There are servers, lifecycle, catalogue, snapshots, backups",
        ),
        ('servers = ["[z-a]"]', "token 2: servers: [z-a] has a range that runs backwards"),
    ],
)
def test_a_token_that_names_what_there_is_not_is_refused(tmp_path: Path, written: str, answer: str) -> None:
    """The file is refused as a whole, and the message has the token and the reason."""
    path = tmp_path / "tokens.toml"
    path.write_text(TOKENS.replace('slack_user = "U0BOB00"', f'slack_user = "U0BOB00"\n{written}'))
    with pytest.raises(ConfigurationError) as refused:
        read_tokens(path)
    assert answer in str(refused.value)


def test_scopes_of_an_access_token_narrow_its_toolsets() -> None:
    """One or several; without any of them all toolsets are left."""
    trust = IssuerConfig("https://issuer.example", "aud", "email")
    claims = {"sub": "s", "email": "ann@example.com"}
    some = verified_token_from({**claims, "scope": "vps:write vps:catalogue vps:changes other"}, trust).caller
    every = verified_token_from({**claims, "scope": "vps:write"}, trust).caller
    assert set(some.reach.tools) == CATALOGUE | CHANGES
    assert set(every.reach.tools) == set(TOOLS) - SECRET


@pytest.mark.parametrize(
    "narrowing",
    [
        Restriction("x", read_only=True),
        Restriction("x", toolsets=frozenset({"servers"})),
        Restriction("x", deny_tools=frozenset({"vps_create"}), servers=frozenset({"web*"})),
    ],
)
async def test_early_answers_are_of_the_same_tools(core: Core, narrowing: Restriction) -> None:
    """What the start-up front keeps of a configuration is what its server lists."""
    reach = AccessScope((narrowing,))
    snapshot = await early.take_snapshot(build_server(core, ServerOptions(reach=reach)), "x")
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN_PROTOCOL_VERSIONS[-1],
        "io.modelcontextprotocol/clientInfo": {"name": "x", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    reply = responder.answer_message(snapshot, json.dumps(asked).encode(), responder.Handover())
    assert reply is not None
    tools = json.loads(reply)["result"]["tools"]
    assert {tool["name"] for tool in tools} == set(reach.or_usual().tools)
    async with client_of(core, ERAS[1], None, ServerOptions(reach=reach)) as client:
        results = (await client.list_tools()).tools
    assert tools == [tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in results]


def test_other_flags_are_another_configuration() -> None:
    """The front never gives the answers of one set of flags for another."""
    environ = {"HOME": "/nowhere"}
    described = {
        responder.describe_configuration(words, environ) for words in ([], ["--read-only"], ["--toolsets", "servers"])
    }
    assert len(described) == 3
    assert responder.find_snapshot(["--read-only"], environ) is None
