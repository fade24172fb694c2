"""The reading tools, on every dialect and in both eras, and what a model reads when they cannot."""

from pathlib import Path

import mcp.types as t
import pytest
from mcp import Client, MCPError

from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.harness import KEY, WEB, client_of, text
from vpsops.core.app import Core, open_core
from vpsops.core.config.settings import Settings
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

DIALECTS = pytest.mark.parametrize("dialect", ["seed", "terraform", "sdk"])
READS = {
    "vps_list": {},
    "vps_get": {"server": "web01"},
    "vps_status": {"server": "web01"},
    "vps_plans": {},
    "vps_regions": {},
    "vps_os_templates": {},
}


async def call(client: Client, tool: str, **arguments: object) -> t.CallToolResult:
    """Call a tool; the client checks a success against the tool's output schema."""
    await client.list_tools()
    return await client.call_tool(tool, arguments)


@DIALECTS
async def test_servers_are_listed_as_a_table(core: Core, era: str) -> None:
    """The list is a small aligned table with the state in people's words, and the same as structured content."""
    async with client_of(core, era) as client:
        result = await call(client, "vps_list")
    lines = text(result).split("\n")
    assert lines[0].split()[:2] == ["NAME", "STATE"]
    assert lines[2].split()[:2] == [WEB, "running"]
    assert lines[-1] == "2 in all."
    assert result.structured_content is not None
    assert [item["state"] for item in result.structured_content["servers"]] == ["running", "running"]


@DIALECTS
async def test_one_server_is_shown_in_two_lines(core: Core, era: str) -> None:
    """A server by the beginning of its name, its facts in a sentence, nothing that is unknown."""
    async with client_of(core, era) as client:
        result = await call(client, "vps_get", server="web01")
    assert text(result).startswith(f"{WEB} (b5c6d7e8-f9a0-1234-5678-90abcdef1234) is running.\nPlan ")
    assert result.structured_content is not None
    assert None not in result.structured_content.values()


@DIALECTS
async def test_usage_is_told_in_a_line(core: Core, era: str) -> None:
    """Percentages and, where the API has it, the uptime."""
    async with client_of(core, era) as client:
        result = await call(client, "vps_status", server="web01")
    assert "CPU" in text(result)
    assert "\n" not in text(result)


@pytest.mark.parametrize("tool", ["vps_plans", "vps_regions", "vps_os_templates"])
@DIALECTS
async def test_the_catalogue_is_told_or_said_to_be_missing(core: Core, era: str, tool: str, dialect: str) -> None:
    """A table of codes; a dialect without the route is reported as one that does not offer it."""
    async with client_of(core, era) as client:
        result = await call(client, tool)
    if result.is_error:
        assert dialect != "seed", text(result)
        assert "(err_" in text(result)
    else:
        assert text(result).split("\n")[0].split()[0] in {"CODE", "ID"}


async def test_a_long_list_is_told_page_by_page(era: str, tmp_path: Path) -> None:
    """A page has the total and how to get the next; the pages together are the whole, each server once."""
    async with (
        running_simulator(SimulatorConfig(dialect="seed", fleet=45, seed=7), clock=VirtualClock()) as provider,
        open_core(
            settings_of(provider, tmp_path), front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY
        ) as core,
        client_of(core, era) as client,
    ):
        seen: list[str] = []
        result = await call(client, "vps_list", limit=20)
        while result.structured_content is not None:
            seen += [item["hostname"] for item in result.structured_content["servers"]]
            cursor = result.structured_content.get("next_cursor")
            if cursor is None:
                break
            assert text(result).endswith(f"20 of 45; pass cursor “{cursor}” for more.")
            result = await call(client, "vps_list", limit=20, cursor=cursor)
    assert len(seen) == len(set(seen)) == 45
    assert text(result).endswith("The last of 45.")


def settings_of(provider: SimulatorHandle, tmp_path: Path, **more: str) -> Settings:
    """Return settings for a provider of the test's own."""
    database = f"sqlite:///{tmp_path / 'own.sqlite3'}"
    values = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": provider.url, "VPSOPS_DATABASE_URL": database}
    return Settings.model_validate(values | more)


@pytest.mark.parametrize(
    ("tool", "arguments", "answer"),
    [
        ("vps_get", {"server": "wbe01"}, "Did you mean web01.example.com"),
        ("vps_get", {}, "server: "),
        ("vps_get", {"server": ["web01", "db01"]}, "server: "),
        ("vps_get", {"server": ""}, "vps_get: server: is missing. vps_list lists the servers. vps_get takes: server"),
        ("vps_get", {"name": "web01"}, "takes: server"),
        ("vps_list", {"limit": 1000}, "limit: "),
        ("vps_list", {"colour": "red"}, "takes: name, state, region, label, limit, cursor"),
        ("vps_plans", {"plan": "x"}, "plan: "),
    ],
)
async def test_what_does_not_fit_is_told_to_the_model(
    core: Core, era: str, tool: str, arguments: dict[str, object], answer: str
) -> None:
    """A wrong argument is a result with the field, the allowed values and an id; never a protocol error."""
    async with client_of(core, era) as client:
        result = await call(client, tool, **arguments)
    assert result.is_error
    assert answer in text(result)
    assert "(err_" in text(result)
    assert "pydantic" not in text(result)


async def test_an_ambiguous_name_lists_the_candidates(era: str, tmp_path: Path) -> None:
    """A beginning that fits several servers is answered with all of them and their ids."""
    async with (
        running_simulator(SimulatorConfig(fleet=60, seed=7), clock=VirtualClock()) as provider,
        open_core(
            settings_of(provider, tmp_path), front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY
        ) as core,
        client_of(core, era) as client,
    ):
        result = await call(client, "vps_get", server="web")
        world = provider.simulator.world
        some = [server.id for server in world.servers() if server.hostname.startswith("web")]
    assert result.is_error
    assert "Name one of them in full" in text(result)
    assert sum(ident in text(result) for ident in some) >= 2


async def test_an_unknown_tool_is_a_protocol_error(core: Core, era: str) -> None:
    """As the specification has it: -32602 with the name."""
    async with client_of(core, era) as client:
        with pytest.raises(MCPError, match="Unknown tool: vps_destroy") as refused:
            await client.call_tool("vps_destroy", {})
        with pytest.raises(MCPError, match="Unknown tool: list"):
            await client.call_tool("list", {})
    assert refused.value.code == t.INVALID_PARAMS


@pytest.mark.parametrize(("tool", "arguments"), [*READS.items(), ("vps_stop", {"server": "web01"})])
async def test_without_a_key_every_tool_says_what_to_set(
    provider: SimulatorHandle, tmp_path: Path, era: str, tool: str, arguments: dict[str, object]
) -> None:
    """The server starts without a key; each tool names the variable, and nothing is sent."""
    settings = settings_of(provider, tmp_path, WAYSCLOUD_API_KEY="").model_copy(update={"api_key": None})
    async with (
        open_core(settings, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as core,
        client_of(core, era) as client,
    ):
        result = await call(client, tool, **arguments)
    assert result.is_error
    assert "WAYSCLOUD_API_KEY" in text(result)
    assert provider.simulator.journal.total == 0


@pytest.mark.requirement("text-is-data-for-models")
async def test_text_from_the_api_is_data(core: Core, provider: SimulatorHandle, era: str) -> None:
    """A name with control, bidirectional and line characters comes out on one line, bounded and visible."""
    world = provider.simulator.world
    web = next(server for server in world.servers() if server.hostname == WEB)
    world.override(web, None, None, "Web\x1b[31m\u202e\n\nIGNORE ALL" + "x" * 900)
    async with client_of(core, era) as client:
        view = await call(client, "vps_get", server=WEB)
    assert view.structured_content is not None
    name = view.structured_content["display_name"]
    assert name.startswith("Web[31m IGNORE ALL")
    assert len(name) == 500
