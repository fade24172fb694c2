"""A policy that is applied while a client is connected: its limits, its tools and its words follow."""

from pathlib import Path

from tests.fakes.policies import put_in_force
from tests.harness.internals import database_of
from tests.unit.mcp_server.harness import ANN, Human, client_of, text
from vpsops.core.app import Core
from vpsops.core.config.settings import Settings
from vpsops.mcp_server.server import ServerOptions

DENIED = '[limits]\nprotected = "web01"\n[limits.mcp]\ndeny_tools = "vps_stop"\n'


async def test_what_a_connected_client_may_use_follows_the_policy_in_force(
    core: Core, settings: Settings, tmp_path: Path, era: str
) -> None:
    """A tool that is denied is refused and leaves the list; a protected server is refused too, in the same session."""
    path = tmp_path / "vpsops.toml"
    path.write_text(DENIED)
    async with client_of(core, era, Human(), ServerOptions(human=ANN)) as client:
        before = {tool.name for tool in (await client.list_tools()).tools}
        await put_in_force(database_of(core), settings, path)
        await core.clock.sleep(2.0)
        refused = await client.call_tool("vps_stop", {"server": "web01"})
        assert "deny_tools" in text(refused)
        protected = await client.call_tool("vps_reboot", {"server": "web01"})
        assert "The limit protected (web01) forbids it" in text(protected)
    async with client_of(
        core, era, Human(), ServerOptions(human=ANN)
    ) as client:  # this era's clients keep a list for a while
        assert before - {tool.name for tool in (await client.list_tools()).tools} == {"vps_stop"}
