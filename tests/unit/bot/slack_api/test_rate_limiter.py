"""Turns come no faster than Slack allows, and no slower than needed."""

import anyio

from tests.fakes.clock import FakeClock
from vpsops.bot.slack_api.rate_limiter import EDITS, MessageRateLimiter


async def test_one_channel_has_a_turn_each_second_and_another_is_not_held_up() -> None:
    """Two posts to one channel are a second apart; a post to another passes at once."""
    clock = FakeClock()
    pace = MessageRateLimiter(clock)
    passed: list[str] = []

    async def post(channel: str) -> None:
        async with pace.post_slot(channel):
            passed.append(f"{channel} at {clock.monotonic():.0f}")

    async with anyio.create_task_group() as group:
        for channel in ("C1", "C1", "C2"):
            group.start_soon(post, channel)
        await anyio.wait_all_tasks_blocked()
        assert passed == ["C1 at 0", "C2 at 0"]
        clock.advance(1)
    assert passed[-1] == "C1 at 1"


async def test_a_channel_is_held_for_as_long_as_slack_says() -> None:
    """Retry-After holds the channel's next turn."""
    clock = FakeClock()
    pace = MessageRateLimiter(clock)
    pace.pause_channel("C1", 30)
    passed = anyio.Event()

    async def post() -> None:
        async with pace.post_slot("C1"):
            passed.set()

    async with anyio.create_task_group() as group:
        group.start_soon(post)
        await anyio.wait_all_tasks_blocked()
        clock.advance(29)
        await anyio.wait_all_tasks_blocked()
        assert not passed.is_set()
        clock.advance(1)


async def test_edits_come_in_a_burst_and_then_in_their_tier() -> None:
    """Ten edits pass at once, the eleventh waits."""
    clock = FakeClock()
    pace = MessageRateLimiter(clock)
    for _ in range(EDITS.burst):
        await pace.wait_for_edit()
    waited = anyio.Event()

    async def edit() -> None:
        await pace.wait_for_edit()
        waited.set()

    async with anyio.create_task_group() as group:
        group.start_soon(edit)
        await anyio.wait_all_tasks_blocked()
        assert not waited.is_set()
        clock.advance(EDITS.gap)
    assert waited.is_set()
