"""Tools of operations that the API does not offer, or the limits switch off: not listed, refused with the reason."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import mcp.types as t
import pytest
from mcp import Client
from mcp.client.session import IncomingMessage
from mcp.server.subscriptions import ToolsListChanged

from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.patience import PATIENCE_SECONDS, eventually
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.harness import ANN, Human, client_of, text
from vpsops.core.app import Core, open_core
from vpsops.core.config.settings import Settings
from vpsops.core.operations import OPERATIONS
from vpsops.mcp_server.server import ServerOptions, build_server

SNAPSHOTS = {"vps_snapshots", "vps_snapshot_create", "vps_snapshot_delete", "vps_snapshot_rollback"}
ALL = '[limits.mcp]\ntoolsets = ["servers", "snapshots", "lifecycle", "backups"]\n'


@dataclass
class Notices:
    """Counts the notices of a new list of tools."""

    count: int = 0
    other: list[object] = field(default_factory=list)

    async def __call__(self, message: IncomingMessage) -> None:
        self.count += isinstance(message, t.ToolListChangedNotification)
        self.other.append(message)


@asynccontextmanager
async def limited(settings: Settings, folder: Path, text: str) -> AsyncIterator[Core]:
    path = folder / "vpsops.toml"
    path.write_text(text)
    config = settings.model_copy(update={"config": path})
    async with open_core(config, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as core:
        yield core


async def names(client: Client) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


@asynccontextmanager
async def connected(core: Core, era: str, notices: Notices) -> AsyncIterator[Client]:
    server = build_server(core, ServerOptions(human=ANN))
    async with Client(
        server, mode=era, message_handler=notices, read_timeout_seconds=PATIENCE_SECONDS, cache=None
    ) as client:
        yield client


@pytest.mark.requirement("not-offered-is-hidden")
async def test_a_tool_that_is_not_offered_leaves_the_next_list(settings: Settings, tmp_path: Path, era: str) -> None:
    """The dialect of the API's page has no snapshots: the first call learns it, and all four tools go."""
    notices = Notices()
    async with limited(settings, tmp_path, ALL) as core, connected(core, era, notices) as client:
        assert await names(client) >= SNAPSHOTS
        first = await client.call_tool("vps_snapshots", {"server": "web01"})
        assert first.is_error
        assert "does not offer to list the snapshots" in text(first)
        assert not await names(client) & SNAPSHOTS
        again = await client.call_tool("vps_snapshot_create", {"server": "web01", "snapshot": "one"})
        assert again.is_error
        assert "does not offer" in text(again)
        if era == "legacy":
            await eventually(lambda: notices.count == 1)


@pytest.mark.requirement("not-offered-is-hidden")
async def test_a_stream_hears_of_the_new_list(settings: Settings, tmp_path: Path) -> None:
    """A stream that asked for it has the notice."""
    async with (
        limited(settings, tmp_path, ALL) as core,
        connected(core, "2026-07-28", Notices()) as client,
        client.listen(tools_list_changed=True) as stream,
    ):
        await client.call_tool("vps_snapshots", {"server": "web01"})
        with anyio.fail_after(PATIENCE_SECONDS):
            assert isinstance(await anext(aiter(stream)), ToolsListChanged)


async def test_another_connection_lists_what_this_one_learned(settings: Settings, tmp_path: Path, era: str) -> None:
    """The memory is no session's."""
    async with limited(settings, tmp_path, ALL) as core:
        async with client_of(core, era) as client:
            await client.call_tool("vps_snapshots", {"server": "web01"})
        async with client_of(core, era) as client:
            assert not await names(client) & SNAPSHOTS


@pytest.mark.requirement("undocumented-is-hidden")
async def test_undocumented_tools_that_are_switched_off_are_not_listed(
    settings: Settings, tmp_path: Path, era: str
) -> None:
    """And a call all the same is refused with the limit's name."""
    undocumented = {f"vps_{name}" for name, operation in OPERATIONS.items() if not operation.documented}
    limits = f"[limits]\nundocumented = false\n{ALL}"
    async with limited(settings, tmp_path, limits) as core, client_of(core, era, Human()) as client:
        assert not await names(client) & undocumented
        refused = await client.call_tool("vps_rename", {"server": "web01", "name": "Web"})
    assert refused.is_error
    assert "undocumented (false)" in text(refused)
