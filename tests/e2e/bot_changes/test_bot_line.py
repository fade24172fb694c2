"""Opening the Socket Mode connection: a wrong token ends the start, and a signal takes effect while Slack is away."""

from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from tests.fakes.slack_bot import Scene, stage
from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from tests.harness.waiting import PATIENCE_SECONDS
from vpsops.bot.app import open_bot
from vpsops.bot.diagnostics.workspace import SCOPES
from vpsops.bot.socket_mode import SocketModeConnection
from vpsops.cli.bot import check_token
from vpsops.core.app import open_core
from vpsops.core.common.errors import ConfigurationError
from vpsops.playground.slack.workspace.config import WorkspaceConfig

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
