"""Messages that take long to deliver stay one process's: its claim is renewed while it lives."""

import anyio
import pytest
from aiohttp import ClientSession

from tests.harness.internals import database_of
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.bot.notifications.outbox_worker import OutboxWorker
from vpsops.bot.slack_api.client import SlackClient
from vpsops.bot.workspaces.registry import single_workspace
from vpsops.core.app import open_core
from vpsops.core.common import timings
from vpsops.core.config.settings import Settings
from vpsops.core.messaging.outbox import Outbox, OutboxMessage, put


async def test_a_slow_message_is_not_taken_over_from_a_living_process(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack takes four times as long as a claim holds: the other process gets nothing of the topic."""
    begun, done = anyio.Event(), anyio.Event()

    async def slow(_deliverer: OutboxWorker, _topic: str, _messages: list[OutboxMessage]) -> None:
        begun.set()
        await done.wait()

    monkeypatch.setattr(OutboxWorker, "_deliver_topic", slow)
    settings, clock = Settings.model_validate({"VPSOPS_DATABASE_URL": database_url}), VirtualClock()
    async with open_core(settings, front="slack", clock=clock) as core, ClientSession() as web:
        other = Outbox(database_of(core), "another-process", clock)
        await other.remember("home", "card", "C1", "1.000001")  # Slack was there before, so that nothing is history
        await database_of(core).transact(
            lambda connection: put(connection, "drift", "event", {"event": "drift", "drifts": []}, clock.now())
        )
        async with anyio.create_task_group() as group:
            group.start_soon(OutboxWorker(core, single_workspace(core, SlackClient(core.settings, web))).run)
            with anyio.fail_after(PATIENCE_SECONDS):
                await begun.wait()
            for _ in range(4):
                await clock.sleep(timings.CLAIM_SECONDS)
                assert await other.claim() == []
            done.set()
            group.cancel_scope.cancel()
