"""A proxy in front of MCP without authentication: every caller seems to be this machine, whatever it adds."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.storage.databases import migrated
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.http_harness import call, post, serving
from vpsops.core.app import open_core
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import Settings
from vpsops.core.server.http_server import listen
from vpsops.mcp_server.http.config import http_config_from

SLACK = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "0123456789abcdef"}
SEVERAL = {
    "SLACK_SIGNING_SECRET": "0123456789abcdef",
    "SLACK_CLIENT_ID": "1.2",
    "SLACK_CLIENT_SECRET": "3456789",
    "VPSOPS_SLACK_URL": "https://vpsops.example.com",
    "VPSOPS_SLACK_TEAMS": "T0ACME",
    "VPSOPS_STATE_KEY": "k" * 32,
}


@pytest.mark.slow
@pytest.mark.requirement("mcp-open-needs-tokens")
@pytest.mark.parametrize(
    "variables",
    [SLACK, SEVERAL, {**SEVERAL, "SLACK_APP_TOKEN": "xapp-1"}],
    ids=["Slack over HTTP", "several workspaces", "several workspaces and Socket Mode"],
)
def test_what_a_proxy_must_reach_does_not_start_without_tokens(tmp_path: Path, variables: dict[str, str]) -> None:
    """`vpsops serve` names the setting, and nothing is served."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **variables}
    program = [sys.executable, "-m", "vpsops", "serve", "--http", "127.0.0.1:0"]
    ended = subprocess.run(program, env=env, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "through a proxy" in ended.stderr
    assert "VPSOPS_HTTP_TOKENS_FILE" in ended.stderr
    assert "VPSOPS_OAUTH_ISSUER" in ended.stderr


@pytest.mark.requirement("mcp-open-needs-tokens")
@pytest.mark.parametrize(
    "proof",
    [{"VPSOPS_OAUTH_ISSUER": "https://issuer.example.com"}, {}],
    ids=["an issuer", "nothing"],
)
def test_a_process_that_others_must_reach_asks_who_calls(proof: dict[str, str]) -> None:
    """On loopback too, and with no other name: the proxy on this machine sends what it likes."""
    with listen("127.0.0.1", 0) as sock:
        if proof:
            assert http_config_from(Settings.model_validate(proof), sock, VirtualClock(), proxied=True).access.required
        else:
            with pytest.raises(ConfigurationError, match="through a proxy"):
                http_config_from(Settings(), sock, VirtualClock(), proxied=True)


@pytest.mark.requirement("mcp-open-needs-tokens")
async def test_what_says_that_it_came_through_a_proxy_is_refused(tmp_path: Path) -> None:
    """For the process that serves this machine alone: the headers of the proxies that we know of."""
    headers = (
        *("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto"),
        *("X-Forwarded-Server", "X-Forwarded-Scheme", "X-Forwarded-Prefix", "X-Forwarded-Client-Cert"),
        *("X-Real-IP", "X-Client-IP", "True-Client-IP", "X-Cluster-Client-IP", "CF-Connecting-IP", "CF-Ray"),
        *("Fastly-Client-IP", "Fly-Client-IP", "X-Envoy-External-Address", "X-Amzn-Trace-Id", "X-Original-URL"),
        *("X-Azure-ClientIP", "X-ARR-SSL", "X-AppEngine-User-IP"),
    )
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": migrated(tmp_path / "vpsops.sqlite3")})
    async with (
        open_core(settings, front="mcp", clock=VirtualClock(), accounts=EVERYBODY) as core,
        serving(core) as (site, _),
    ):
        assert (await post(site.url, call("tools/list"))).status_code == 200
        for name in headers:
            assert (await post(site.url, call("tools/list"), **{name: "203.0.113.9"})).status_code == 403, name
