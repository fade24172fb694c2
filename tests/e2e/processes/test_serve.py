"""`vpsops serve` and `vpsops mcp --http` as processes: an agent asks over HTTP, people in Slack decide."""

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.fakes.slack_bot import BotHarness, Scene, buttons, stage
from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.mcp_server.harness import Human, text
from tests.unit.mcp_server.http_harness import call, http_client, post
from vpsops.core.common.json_types import Json
from vpsops.mcp_server.auth.static_tokens import digest_of as hashed

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
BOUND = PATIENCE_SECONDS
SERVE = (sys.executable, "-m", "vpsops", "serve", "--http", "127.0.0.1:0")
MCP = (sys.executable, "-m", "vpsops", "mcp", "--http", "127.0.0.1:0")
ALICE_TOKEN = "alice-" + "a" * 40
READ_TOKEN = "reader-" + "r" * 40
TOKENS = f"""
[[token]]
sha256 = "{hashed(ALICE_TOKEN)}"
subject = "alice-laptop"
human = "alice@acme.example"
scopes = ["vps:write"]

[[token]]
sha256 = "{hashed(READ_TOKEN)}"
subject = "reports"
slack_user = "U0CAROL"
scopes = ["vps:read"]
"""
WORKSPACE = Scene().workspace.with_scopes("channels:read", "groups:read", "users:read.email")


def scene(transport: str) -> Scene:
    return Scene("socket" if transport == "socket" else "http", WORKSPACE)


def environ(world: BotHarness, **more: str) -> dict[str, str]:
    """Return a process's environment: the stage, tokens, and a channel for approvals."""
    path = world.directory / "tokens.toml"
    path.write_text(TOKENS, encoding="utf-8")
    settings = world.settings
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(world.directory),
        "WAYSCLOUD_API_KEY": settings.api_key.get_secret_value() if settings.api_key else "",
        "WAYSCLOUD_API_URL": settings.api_url,
        "SLACK_API_URL": settings.slack_api_url,
        "SLACK_BOT_TOKEN": world.slack.config.bot_token,
        "SLACK_SIGNING_SECRET": world.slack.config.signing_secret,
        "VPSOPS_DATABASE_URL": settings.database_url,
        "VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS",
        "VPSOPS_HTTP_TOKENS_FILE": str(path),
    }
    return variables | more


@asynccontextmanager
async def running(command: tuple[str, ...], env: Mapping[str, str], lines: int = 1) -> AsyncIterator[list[str]]:
    """Run a process until the block ends, by SIGTERM; yield the first lines it prints."""
    async with await anyio.open_process(command, env=dict(env), stderr=subprocess.PIPE) as process:
        output: list[bytes] = []
        async with anyio.create_task_group() as group:
            group.start_soon(_drain, process, output)
            assert process.stdout is not None
            out = BufferedByteReceiveStream(process.stdout)
            try:
                with anyio.fail_after(BOUND):
                    printed = [(await out.receive_until(b"\n", 1000)).decode() for _ in range(lines)]
                yield printed
            finally:
                process.terminate()
            with anyio.fail_after(BOUND):
                assert await process.wait() == 0
        log = b"".join(output).decode()
        assert not [token for token in (ALICE_TOKEN, READ_TOKEN) if token in log]
        assert "Traceback" not in log, log


async def _drain(process: Process, output: list[bytes]) -> None:
    assert process.stderr is not None
    output.extend([chunk async for chunk in process.stderr])


async def approve(world: BotHarness) -> None:
    """Have alice's vote refused, and bob approve."""
    card = await world.card("approvals", words="waiting for approval")
    await world.slack.click("alice", card, "vps:approve")
    await world.private("alice", "You asked for this")
    await world.slack.click("bob", card, "vps:approve")


async def deny(world: BotHarness) -> None:
    """Have bob deny, with a reason."""
    card = await world.card("approvals", words="waiting for approval")
    assert buttons(card)
    await world.slack.click("bob", card, "vps:deny")
    view = await world.slack.wait_for(lambda: world.slack.modal("bob"))
    assert view is not None
    await world.slack.submit_view("bob", view, {"reason": "not during the sale"})


@pytest.mark.parametrize(("transport", "era"), [("http", "legacy"), ("socket", "2026-07-28")])
async def test_an_agent_asks_and_slack_decides_while_its_call_waits(tmp_path: Path, transport: str, era: str) -> None:
    """One process serves both sides: an approved change runs, a denied one does not and its reason is read."""
    async with stage(tmp_path, scene(transport)) as world:
        more = {"SLACK_APP_TOKEN": world.slack.config.app_token} if transport == "socket" else {}
        async with running(SERVE, environ(world, **more), lines=2) as (mcp, bot):
            assert mcp.startswith("mcp: http://127.0.0.1:")
            url = mcp.removeprefix("mcp: ")
            if transport == "http":
                assert bot == f"bot: {url.removesuffix('/mcp')}/slack/events"
                world.slack.connect_http(bot.removeprefix("bot: "))
            else:
                assert bot == "bot: connected to Slack by Socket Mode"
            async with httpx.AsyncClient(trust_env=False) as http:
                assert (await http.get(url.replace("/mcp", "/healthz"))).json() == {"ok": True}
            async with http_client(url, era, ALICE_TOKEN, Human()) as client:
                approved = await _while(world, approve, client.call_tool, "vps_reboot", {"server": "web01"})
                denied = await _while(world, deny, client.call_tool, "vps_stop", {"server": "db01"})
            assert "succeeded" in text(approved)
            assert "was denied; nothing was done" in text(denied)
            assert "not during the sale" in text(denied)
            assert (world.effects("reboot"), world.effects("stop")) == (1, 0)


async def _while(world: BotHarness, decide: Json, ask: Json, tool: str, arguments: dict[str, str]) -> Json:
    """Ask while people decide."""
    async with anyio.create_task_group() as group:
        group.start_soon(decide, world)
        return await ask(tool, arguments)


async def test_mcp_alone_serves_two_clients_with_their_scopes(tmp_path: Path) -> None:
    """`vpsops mcp --http`: each era, each token its own tools, none without a token; a signal ends it with 0."""
    async with stage(tmp_path) as world, running(MCP, environ(world)) as (line,):
        url = line.removeprefix("mcp: ")
        async with (
            http_client(url, "legacy", ALICE_TOKEN) as alice,
            http_client(url, "2026-07-28", READ_TOKEN) as reader,
        ):
            writes = {tool.name for tool in (await alice.list_tools()).tools}
            reads = {tool.name for tool in (await reader.list_tools()).tools}
            assert "web01" in text(await reader.call_tool("vps_list", {}))
        refused = await post(url, call("tools/list"))
    assert "vps_stop" in writes
    assert reads < writes
    assert "vps_stop" not in reads
    assert refused.status_code == 401


async def test_a_key_keeps_a_question_over_a_restart(tmp_path: Path) -> None:
    """The answer to a question of a process that is gone is taken by the next one with the same VPSOPS_STATE_KEY."""
    async with stage(tmp_path) as world:
        env = environ(world, VPSOPS_STATE_KEY="k" * 40, VPSOPS_APPROVAL_CHANNEL="")
        del env["SLACK_BOT_TOKEN"]
        stop: dict[str, Json] = {"name": "vps_stop", "arguments": {"server": "web01"}}
        async with running(MCP, env) as (line,):
            asked = (await post(line.removeprefix("mcp: "), call("tools/call", **stop), ALICE_TOKEN)).json()["result"]
        answer = {"confirm": {"action": "accept", "content": {"confirm": True}}}
        again = call("tools/call", **stop, inputResponses=answer, requestState=asked["requestState"])
        async with running(MCP, env) as (line,):
            ended = (await post(line.removeprefix("mcp: "), again, ALICE_TOKEN)).json()
        assert ended["result"]["structuredContent"]["operation"] == "stop"
        assert world.effects("stop") == 1


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("mcp", "--http", "0.0.0.0:0"), "Without authentication"),
        (("serve",), "needs SLACK_BOT_TOKEN and SLACK_SIGNING_SECRET"),
    ],
)
def test_what_does_not_fit_ends_the_start(tmp_path: Path, command: tuple[str, ...], words: str) -> None:
    """Exit code 2 and one line, and nothing is served."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    program = [sys.executable, "-m", "vpsops", *command]
    ended = subprocess.run(program, env=env, capture_output=True, text=True, timeout=BOUND, check=False)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert ended.stdout == ""
