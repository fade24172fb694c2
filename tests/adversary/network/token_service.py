"""MCP over HTTP for the tokens of a file, with an approval channel, on a simulated provider."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.fakes.storage.databases import migrated
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.harness import KEY
from tests.unit.mcp_server.http_harness import serving, with_tokens
from vpsops.core.app import Core, open_core
from vpsops.core.config.settings import Settings
from vpsops.core.identity.accounts import AccountDirectory
from vpsops.mcp_server.http.app import McpHttp
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator


@asynccontextmanager
async def token_service(
    folder: Path, tokens: str, accounts: AccountDirectory, policy: str = ""
) -> AsyncIterator[tuple[Core, str, McpHttp]]:
    """Serve the tokens of a file's text, by the default policy or another; yield the core, the address, the server."""
    async with running_simulator(SimulatorConfig(), clock=VirtualClock()) as provider:
        settings = Settings.model_validate(
            {
                "VPSOPS_DATABASE_URL": migrated(folder / "vpsops.sqlite3"),
                "VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS",
                "WAYSCLOUD_API_KEY": KEY,
                "WAYSCLOUD_API_URL": provider.url,
                **_config(folder, policy),
            }
        )
        async with (
            open_core(settings, front="mcp", clock=VirtualClock(), accounts=accounts) as core,
            serving(core, with_tokens(settings, folder, tokens)) as (site, http),
        ):
            yield core, site.url, http


def _config(folder: Path, policy: str) -> dict[str, str]:
    if not policy:
        return {}
    path = folder / "vpsops.toml"
    path.write_text(policy, encoding="utf-8")
    return {"VPSOPS_CONFIG": str(path)}
