"""The Socket Mode connection: how it starts, ends and is opened again."""

import itertools
from contextlib import nullcontext
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from tests.fakes.not_slack import answering
from tests.fakes.slack_bot import BotHarness, Scene, playing, stage
from tests.fakes.timing import QUICK
from tests.harness.patience import PATIENCE_SECONDS, eventually
from tests.harness.virtual_time import VirtualClock
from vpsops.bot.app import open_bot
from vpsops.bot.diagnostics.workspace import SCOPES
from vpsops.bot.socket_mode import PING_SECONDS, ConnectionStatus, SocketModeConnection
from vpsops.cli.bot import check_token
from vpsops.core.app import open_core
from vpsops.core.common.errors import ConfigurationError
from vpsops.playground.slack.workspace.config import WorkspaceConfig

SOCKET = Scene(transport="socket")
AWAY = Scene(settings={"SLACK_API_URL": "http://127.0.0.1:9/api/"})


async def test_a_wrong_app_token_ends_the_start_with_what_to_do(tmp_path: Path) -> None:
    """The SDK would try it for ever; the error ends the bot's start instead."""
    async with (
        stage(tmp_path) as world,
        open_core(world.settings, front="slack", timing=QUICK, clock=VirtualClock()) as core,
        open_bot(core) as bot,
        SocketModeConnection(bot, "xapp-wrong") as line,
    ):
        with (
            anyio.fail_after(PATIENCE_SECONDS),
            pytest.raises(ConfigurationError, match=r"SLACK_APP_TOKEN \(invalid_auth\)"),
        ):
            await line.connect(anyio.Event())


async def test_missing_scopes_are_told_at_the_start(tmp_path: Path) -> None:
    """Each missing scope is named, with a link to the documentation: later refusals would not name it."""
    for scopes, missing in ((set(SCOPES) - {"users:read"}, [["users:read"]]), (set(SCOPES), [])):
        scene = Scene(workspace=WorkspaceConfig(scopes=frozenset(scopes)))
        async with (
            stage(tmp_path, scene) as world,
            open_core(world.settings, front="slack", timing=QUICK, clock=VirtualClock()) as core,
            open_bot(core) as bot,
        ):
            with capture_logs() as logged:
                await check_token(bot)
        assert [line["scopes"] for line in logged if line["log_level"] == "warning"] == missing


@pytest.mark.parametrize(("status", "ends"), [(200, True), (404, True), (429, False), (500, False), (503, False)])
async def test_a_server_that_is_not_slack_ends_the_start(tmp_path: Path, status: int, ends: bool) -> None:
    """With the variable to check; one that answers later does not end it."""
    async with (
        answering(status, "text/html", b"<html>") as other,
        stage(tmp_path, Scene(settings={"SLACK_API_URL": other.slack_api_url})) as world,
        open_core(world.settings, front="slack", timing=QUICK, clock=VirtualClock()) as core,
        open_bot(core) as bot,
    ):
        with (
            pytest.raises(ConfigurationError, match=rf"is not Slack \(HTTP {status}\)") if ends else nullcontext(),
            anyio.fail_after(PATIENCE_SECONDS),
        ):
            await check_token(bot)


async def test_a_signal_is_heard_while_slack_is_away(tmp_path: Path) -> None:
    """Stopping takes no second signal; nothing was connected."""
    stop, ended = anyio.Event(), anyio.Event()
    async with (
        stage(tmp_path, AWAY) as world,
        open_core(world.settings, front="slack", timing=QUICK, clock=VirtualClock()) as core,
        open_bot(core) as bot,
        SocketModeConnection(bot, "xapp-any") as line,
        anyio.create_task_group() as group,
    ):

        async def connect() -> None:
            assert not await line.connect(stop)
            ended.set()

        group.start_soon(connect)
        await anyio.lowlevel.checkpoint()
        stop.set()
        with anyio.fail_after(PATIENCE_SECONDS):
            await ended.wait()


def gaps(world: BotHarness) -> list[float]:
    """Return the seconds between the attempts to open a connection."""
    times = [call.at.timestamp() for call in world.slack.calls("apps.connections.open")]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


@pytest.mark.requirement("slack-line-paced")
async def test_a_storm_of_disconnects_is_met_with_longer_and_longer_pauses(tmp_path: Path) -> None:
    """Slack says `too_many_websockets` after each greeting: an attempt a second at most, then fewer, all logged."""
    async with playing(tmp_path, SOCKET) as world, anyio.create_task_group() as group:

        async def refuse_each() -> None:
            while True:
                await world.slack.socket.connected()
                await world.slack.socket.disconnect("too_many_websockets")

        with capture_logs() as logged:
            group.start_soon(refuse_each)
            await anyio.sleep(20)
            group.cancel_scope.cancel()
        pauses = gaps(world)
    assert min(pauses) >= 1.0
    assert all(later > earlier for earlier, later in itertools.pairwise(pauses))
    assert 3 <= len(pauses) <= 4
    ends = [line["reason"] for line in logged if line["event"] == "socket_mode_ended"]
    assert ends == ["too_many_websockets"] * len(ends)
    assert len(ends) >= len(pauses)


@pytest.mark.requirement("slack-line-token-right-again")
async def test_a_revoked_app_token_is_red_at_once_and_used_again_within_half_a_minute(tmp_path: Path) -> None:
    """Log and health name it, once and without waiting a minute; commands arrive again when Slack takes it."""
    async with playing(tmp_path, Scene()) as world, world.bot() as (bot, _):
        status, stop = ConnectionStatus(VirtualClock()), anyio.Event()
        async with SocketModeConnection(bot, world.slack.config.app_token, status) as line:
            assert await line.connect(stop)
            await world.slack.socket.connected()
            world.slack.faults.fail_next("apps.connections.open", times=3, error="token_revoked")
            with capture_logs() as logged:
                world.slack.socket.drop()
                await eventually(lambda: status.refused)
                assert status.fault() == "Slack refuses SLACK_APP_TOKEN (token_revoked), so no commands arrive"
                with anyio.fail_after(300):
                    await world.slack.socket.connected()
                await eventually(lambda: status.fault() == "")
            delivery = await world.slack.command("alice", "ops", "/vps", "list", transport="socket")
            pauses = gaps(world)
    assert delivery.error is None
    assert len(pauses) == 4
    assert max(pauses) <= 30
    refusals = [line for line in logged if line["log_level"] == "error"]
    assert [(line["event"], line["code"]) for line in refusals] == [("socket_mode_token_refused", "token_revoked")]
    assert "socket_mode_token_accepted_again" in [line["event"] for line in logged]


async def test_a_retry_after_is_waited_for(tmp_path: Path) -> None:
    """Slack withholds new connections for a while: the next attempt comes no sooner."""
    async with playing(tmp_path, SOCKET) as world:
        world.slack.faults.fail_next("apps.connections.open", times=1, error="ratelimited", status=429)
        world.slack.socket.drop()
        await world.slack.socket.connected()
        assert len(gaps(world)) == 2
        assert min(gaps(world)) >= 1.0


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_line_that_slack_renews_is_replaced_before_it_closes(tmp_path: Path, reason: str) -> None:
    """The next connection is there while the old one still is, so that no command meets a closed line."""
    async with playing(tmp_path, SOCKET) as world:
        old = world.slack.socket.connections[0]
        await world.slack.socket.disconnect(reason)
        await eventually(lambda: any(line is not old for line in world.slack.socket.connections))
        assert not old.ws.closed
        assert (await world.slack.command("alice", "ops", "/vps", "list")).error is None
        await eventually(lambda: old.ws.closed)
        assert len(world.slack.socket.connections) == 1


async def test_a_line_that_went_silent_is_replaced(tmp_path: Path) -> None:
    """A half-open connection looks open to us: what answers no ping for seconds is given up."""
    async with playing(tmp_path, SOCKET) as world:
        silent = world.slack.socket.connections[0]
        assert silent.request.transport is not None
        silent.request.transport.pause_reading()
        with anyio.fail_after(2 * PING_SECONDS):
            await world.slack.socket.connected(2)


async def test_an_address_that_leads_nowhere_is_asked_for_anew(tmp_path: Path) -> None:
    """An address is good for one connection: after a failure another one is asked for."""
    async with playing(tmp_path, SOCKET) as world:
        base, world.slack.socket.base_url = world.slack.socket.base_url, "ws://127.0.0.1:9"
        with capture_logs() as logged:
            world.slack.socket.drop()
            await eventually(lambda: "socket_mode_not_opened" in [line["event"] for line in logged])
            world.slack.socket.base_url = base
            await world.slack.socket.connected()
        assert "Traceback" not in str(logged)


async def test_what_is_no_envelope_harms_no_line(tmp_path: Path) -> None:
    """Messages that cannot be read are dropped, and the line stays open."""
    async with playing(tmp_path, SOCKET) as world:
        line = world.slack.socket.connections[0]
        for text in ("", "{", "[]", "null", '{"type":"new"}', '{"envelope_id":1,"payload":{}}', "[" * 100_000):
            await line.ws.send_str(text)
        await line.ws.send_bytes(b"{}")
        assert (await world.slack.command("alice", "ops", "/vps", "list")).error is None
        assert world.slack.socket.connections == [line]


async def test_a_simulator_on_this_machine_is_reached_past_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Web API, the line and response addresses: the proxy of the environment, which leads nowhere, takes none."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with playing(tmp_path, SOCKET) as world:
        assert (await world.slack.command("alice", "ops", "/vps", "list")).error is None
        assert (await world.private("alice", "web01")).text
