"""Hosts and origins that begin as ours do, on a raw socket: a client library would not send most of them."""

import json
from pathlib import Path

import anyio
import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.storage.databases import migrated
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.http_harness import ENVELOPE, serving
from vpsops.core.app import Core, open_core
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.server.http_server import listen
from vpsops.mcp_server.http.config import http_config_from

LIST = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": ENVELOPE}})
OURS = "Host: 127.0.0.1:PORT"


def settings_of(folder: Path) -> Settings:
    return Settings.model_validate({"VPSOPS_DATABASE_URL": migrated(folder / "vpsops.sqlite3")})


async def status(core: Core, *lines: str) -> int:
    """Ask for the list of tools with these header lines, and return the status."""
    async with serving(core) as (site, _):
        port = int(site.local.rpartition(":")[2].partition("/")[0])
        fixed = (
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            "Mcp-Protocol-Version: 2026-07-28",
            "Mcp-Method: tools/list",
            f"Content-Length: {len(LIST)}",
            "Connection: close",
        )
        head = "\r\n".join(("POST /mcp HTTP/1.1", *(line.replace("PORT", str(port)) for line in lines), *fixed))
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(f"{head}\r\n\r\n{LIST}".encode())
            with anyio.fail_after(PATIENCE_SECONDS):
                return int((await stream.receive()).split()[1])


@pytest.mark.requirement("mcp-exact-names")
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((OURS,), 200),
        (("Host: LOCALHOST:1",), 200),
        (("Host: localhost:1",), 200),
        (("Host: [::1]:8900",), 200),
        (("Host: 127.0.0.1:evil:PORT",), 421),
        (("Host: 127.0.0.1:",), 421),
        (("Host: 127.0.0.1:80@evil.example",), 421),
        (("Host: 127.0.0.1:8900/evil",), 421),
        (("Host: localhost:1 evil.example",), 421),
        (("Host: evil@127.0.0.1:8900",), 421),
        (("Host: 127.0.0.1.evil.example",), 421),
        ((OURS, "Host: evil.example"), 421),
        ((), 421),
        ((OURS, "Origin: http://localhost:6274"), 200),
        ((OURS, "Origin: http://[::1]:6274"), 200),
        ((OURS, "Origin: vscode-file://vscode-app"), 403),
        ((OURS, "Origin: file://"), 403),
        ((OURS, "Origin: http://localhost:1@evil.example"), 403),
        ((OURS, "Origin: http://localhost:1/@evil.example"), 403),
        ((OURS, "Origin: http://localhost:evil.example"), 403),
        ((OURS, "Origin: http://localhost:1 http://evil.example"), 403),
        ((OURS, "Origin: http://evil.example", "Origin: http://localhost:1"), 403),
        ((OURS, "Origin: null"), 403),
        ((OURS, "Origin: "), 403),
    ],
)
async def test_a_name_is_ours_as_a_whole_or_not_at_all(tmp_path: Path, lines: tuple[str, ...], expected: int) -> None:
    """A name that only begins like one of ours is refused, and so are two names at once."""
    async with open_core(settings_of(tmp_path), front="mcp", clock=VirtualClock(), accounts=EVERYBODY) as core:
        assert await status(core, *lines) == expected


@pytest.mark.requirement("mcp-exact-names")
@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("VPSOPS_OAUTH_ISSUER", "https://user:hunter2@issuer.example.com"),
        ("VPSOPS_OAUTH_ISSUER", "https://hunter2@issuer.example.com/realm"),
        ("VPSOPS_OAUTH_ISSUER", "http://a:hunter2@127.0.0.1:8080"),
        ("VPSOPS_HTTP_URL", "https://user:hunter2@vpsops.example.com/mcp"),
    ],
)
async def test_an_address_that_is_told_to_everybody_holds_no_password(
    tmp_path: Path, variable: str, address: str
) -> None:
    """The metadata for clients names these, so the start is refused; what was written is not repeated."""
    chosen = settings_of(tmp_path)
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": chosen.database_url, variable: address})
    async with open_core(chosen, front="mcp", clock=VirtualClock(), accounts=EVERYBODY) as core:
        with listen("127.0.0.1", 0) as sock, pytest.raises(ConfigurationError, match=variable) as refused:
            http_config_from(settings, sock, core.clock)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("SLACK_API_URL", "https://user:hunter2@slack.example.com/api/"),
        ("VPSOPS_SLACK_URL", "https://user:hunter2@vpsops.example.com"),
        ("VPSOPS_SLACK_URL", "http://127.0.0.1.evil.example"),
        ("VPSOPS_SLACK_URL", "http://localhost:1@evil.example"),
        ("VPSOPS_SLACK_URL", "http://localhost.evil.example:3000"),
    ],
)
def test_no_other_address_holds_one_either(variable: str, address: str) -> None:
    """An address with the beginning of a local one does not count as local."""
    with pytest.raises(ConfigurationError, match=variable) as refused:
        load_settings({variable: address})
    assert "hunter2" not in str(refused.value)
