"""The bot's tasks in the background, by the names that its health is read by, and what breaks one of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.fakes.timing import QUICK
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.bot.app import Bot, open_bot
from vpsops.bot.notifications.card_sync import CardRefresher
from vpsops.core.app import open_core
from vpsops.core.common.supervision import TaskStatus
from vpsops.core.config.settings import Settings
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig


@asynccontextmanager
async def running_bot(folder: Path) -> AsyncIterator[Bot]:
    async with running_workspace(WorkspaceConfig(), clock=VirtualClock(), wall=VirtualClock()) as slack:
        settings = Settings.model_validate(
            {
                "SLACK_API_URL": slack.api_url,
                "SLACK_BOT_TOKEN": slack.config.bot_token,
                "VPSOPS_DATABASE_URL": f"sqlite:///{folder / 'bot.sqlite3'}",
            }
        )
        async with (
            open_core(settings, front="slack", timing=QUICK, clock=VirtualClock()) as core,
            open_bot(core) as bot,
        ):
            yield bot


async def status(bot: Bot, name: str, *, rounds: int = 0, failures: int = 0) -> TaskStatus:
    """Return a task's status once it has finished a round, if asked for, and failed as often as asked for."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            result = next((item for item in bot.context.core.supervisor.statuses() if item.name == name), None)
            if result and result.failures >= failures and (result.last_round is not None or not rounds):
                return result
            await VirtualClock().sleep(0.01)


@pytest.mark.requirement("task-supervised")
async def test_the_engines_and_the_bots_loops_can_be_seen(tmp_path: Path) -> None:
    async with running_bot(tmp_path) as bot:
        for name in ("heartbeat", "reconciler", "retention", "inbox", "outbox"):
            results = await status(bot, name, rounds=1)
            assert (results.running, results.failures, results.last_error_id) == (True, 0, "")
        names = [item.name for item in bot.context.core.supervisor.statuses()]
        assert {"signals", "deliveries", "cards", "homes", "turns"} <= set(names)
        assert len(names) == len(set(names))


@pytest.mark.requirement("task-supervised")
async def test_a_loop_of_the_bot_that_breaks_ends_neither_it_nor_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: CardRefresher) -> None:
        raise TypeError("a row of a newer version")

    monkeypatch.setattr(CardRefresher, "run", broken)
    async with running_bot(tmp_path) as bot:
        results = await status(bot, "cards", failures=2)
        assert results.last_error_id.startswith("err_")
        assert (await status(bot, "outbox", rounds=1)).failures == 0
