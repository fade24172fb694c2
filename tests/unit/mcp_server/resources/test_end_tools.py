"""The toolset `ends`: an assistant lists ends, and keeps a server where a rule lets it do that outright."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.mcp_server.harness import ERAS, client_of, text
from tests.unit.mcp_server.resources.test_grant_tools import called
from tests.unit.mcp_server.tools.test_limits import limited
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.core.limits.tool_names import ALTERING, TOOLSETS, USUAL
from vpsops.mcp_server.server import ServerOptions

RULES = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "load-tests"
operation = "create"
server = "load*"
decision = "allow"

[[rule]]
id = "hidden"
operation = "get"
server = "load02*"
decision = "deny"

[limits.mcp]
toolsets = ["servers", "changes", "ends"]
"""
ORDER: dict[str, Any] = {"plan": "vps-4gb-2cpu", "region": "NO", "os_template": "debian-12", "lifetime": "2h"}


def test_the_toolset_is_served_where_it_is_named() -> None:
    assert TOOLSETS["ends"] == ("vps_ends", "vps_keep")
    assert "ends" not in USUAL
    assert ("vps_keep" in ALTERING, "vps_ends" in ALTERING) == (True, False)


@pytest.mark.requirement("end-tools")
@pytest.mark.parametrize("era", ERAS)
async def test_an_assistant_lists_ends_and_keeps_its_own_server(settings: Settings, tmp_path: Path, era: str) -> None:
    """Within what it may read and the policy lets it do; another person's assistant keeps nothing of it."""
    stranger = ServerOptions(human="eve@example.com")
    async with (
        limited(settings, tmp_path, RULES) as core,
        client_of(core, era) as own,
        client_of(core, era, None, stranger) as other,
    ):
        assert "No server ends by itself." in text(await called(own, "vps_ends"))
        for name in ("load01", "load02"):
            made = await own.call_tool("vps_create", {"hostname": f"{name}.example.com", **ORDER})
            assert not made.is_error, text(made)
        before = {end.hostname: end for end in await core.ends.list_open(scope=OPERATOR)}
        assert len(before) == 2
        listed = text(await called(own, "vps_ends"))
        assert "load01.example.com: It ends at" in listed
        assert "load02" not in listed
        refused = await called(other, "vps_keep", server="load01", lifetime="1h")
        assert refused.is_error
        assert "not among those who may keep" in text(refused)
        kept = await called(own, "vps_keep", server="load01", lifetime="1h")
        assert "load01.example.com is kept" in text(kept)
        after = {end.hostname: end for end in await core.ends.list_open(scope=OPERATOR)}
        moved = after["load01.example.com"].ends_at - before["load01.example.com"].ends_at
        assert (moved.total_seconds(), after["load02.example.com"]) == (3600, before["load02.example.com"])


@pytest.mark.parametrize("era", ERAS)
async def test_a_server_without_an_end_is_not_kept(settings: Settings, tmp_path: Path, era: str) -> None:
    async with limited(settings, tmp_path, RULES) as core, client_of(core, era) as own:
        refused = await called(own, "vps_keep", server="web01", lifetime="1h")
        assert refused.is_error
        assert "has no end" in text(refused)
