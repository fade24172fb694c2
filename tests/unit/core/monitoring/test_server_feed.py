"""Following the servers: one poll serves all followers, differences are reported, and nothing runs without them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import anyio
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.provider import Provider, Reply
from tests.harness.patience import PATIENCE_SECONDS, eventually
from tests.unit.core.sample import server
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.monitoring.server_feed import REFUSED_WAIT, SOONEST, Difference, ServerFeed, differences, known_after
from vpsops.core.wayscloud.answers.errors import NotAuthenticatedError, WayscloudError
from vpsops.core.wayscloud.answers.models import ProviderList

SERVERS = "/v1/vps"
PACE = DEFAULT_TIMING.poll_old
ONE = {"id": "s1", "hostname": "web01.example.com", "status": "running"}


def listed(*servers: dict[str, str]) -> Reply:
    return Reply(200, {"items": list(servers), "total": len(servers)})


@dataclass
class DifferenceListener:
    """A listener that records the differences it gets."""

    heard: list[Difference] = field(default_factory=list)
    called: anyio.Event = field(default_factory=anyio.Event)

    def __call__(self, results: Sequence[Difference]) -> None:
        self.heard += results
        self.called.set()

    async def changes_received(self) -> list[tuple[str, str, bool]]:
        with anyio.fail_after(PATIENCE_SECONDS):
            await self.called.wait()
        return [(item.server.id, item.server.status, item.listed) for item in self.heard]


@dataclass
class FeedHarness:
    """A fleet on a provider in this process, with a clock that the test moves."""

    provider: Provider
    clock: FakeClock
    fleet: ServerFeed

    def polls(self) -> int:
        return len(self.provider.received)

    async def next_poll(self, seconds: float = PACE) -> None:
        """Let time pass until the next poll is done."""
        before = self.polls()
        self.clock.advance(seconds)
        with anyio.fail_after(PATIENCE_SECONDS):
            await eventually(lambda: self.polls() != before)


@asynccontextmanager
async def staged(*replies: Reply) -> AsyncIterator[FeedHarness]:
    provider, clock = Provider(), FakeClock()
    provider.on("GET", SERVERS, *replies)
    async with provider.client(clock=clock) as api, anyio.create_task_group() as group:
        yield FeedHarness(provider, clock, ServerFeed(api, clock, DEFAULT_TIMING, group))
        group.cancel_scope.cancel()


async def servers_of(fleet: ServerFeed) -> list[str]:
    """Return the ids of the servers once they can be read."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            with suppress(WayscloudError):
                return list(await fleet.known())
            await anyio.lowlevel.checkpoint()


async def test_all_who_follow_share_one_look() -> None:
    """Two followers cost one call at a time, and both get the differences."""
    async with staged(listed(ONE), listed({**ONE, "status": "stopped"})) as stage:
        ears = DifferenceListener(), DifferenceListener()
        for ear in ears:
            stage.fleet.follow(ear)
        await stage.fleet.known()
        assert stage.polls() == 1
        await stage.next_poll()
        assert await ears[0].changes_received() == await ears[1].changes_received() == [("s1", "stopped", False)]
        assert stage.polls() == 2


async def rest() -> None:
    """Let whatever is due run."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


async def test_nobody_looks_for_nobody() -> None:
    """When the last follower has left, no poll follows and the stored state is dropped."""
    async with staged(listed(ONE)) as stage:
        assert stage.polls() == 0
        leave = [stage.fleet.follow(DifferenceListener()) for _ in range(2)]
        await stage.fleet.known()
        for item in leave:
            item()
        for _ in range(3):
            stage.clock.advance(PACE)
            await rest()
        assert stage.polls() == 1
        assert stage.fleet._known is None


async def test_coming_and_going_costs_no_looks() -> None:
    """A follower that returns repeatedly within the interval is served by one poll."""
    async with staged(listed(ONE)) as stage:
        for _ in range(5):
            leave = stage.fleet.follow(DifferenceListener())
            await stage.fleet.known()
            leave()
        assert stage.polls() == 1


async def test_a_look_can_be_asked_for_now_and_then() -> None:
    """A request for a server that has just appeared triggers a poll, at most once per interval for all callers."""
    two = {**ONE, "id": "s2", "hostname": "new.example.com"}
    async with staged(listed(ONE), listed(ONE, two)) as stage:
        ear = DifferenceListener()
        stage.fleet.follow(ear)
        await stage.fleet.known()
        await stage.fleet.refresh()
        assert stage.polls() == 1
        stage.clock.advance(SOONEST)
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(stage.fleet.refresh)
        assert stage.polls() == 2
        assert await ear.changes_received() == [("s2", "running", True)]


async def test_a_look_that_was_made_anyway_counts() -> None:
    """The watcher's list is reported at once, and the next poll of the feed waits for its turn."""
    async with staged(listed(ONE)) as stage:
        ear = DifferenceListener()
        stage.fleet.follow(ear)
        await stage.fleet.known()
        stage.clock.advance(PACE - 1)
        stage.fleet.saw(ProviderList([server("stopped")]))
        assert await ear.changes_received() == [("s1", "stopped", False)]
        stage.clock.advance(PACE - 2)
        await rest()
        assert stage.polls() == 1


async def test_a_provider_that_is_away_is_told_and_tried_again() -> None:
    """Callers get the error; once the provider is back the servers are there."""
    async with staged(Reply(404, {"detail": "no"}), listed(ONE)) as stage:
        ear = DifferenceListener()
        stage.fleet.follow(ear)
        with pytest.raises(WayscloudError):
            await stage.fleet.known()
        stage.clock.advance(PACE)
        assert await servers_of(stage.fleet) == ["s1"]
        assert ear.heard == []


async def test_a_refused_key_is_not_tried_at_the_usual_pace() -> None:
    """A refused key is tried every five minutes only."""
    async with staged(Reply(401, {"detail": "no"})) as stage:
        stage.fleet.follow(DifferenceListener())
        with pytest.raises(NotAuthenticatedError):
            await stage.fleet.known()
        seen = stage.polls()
        stage.clock.advance(REFUSED_WAIT - 1)
        await rest()
        assert stage.polls() == seen
        await stage.next_poll(2)


async def test_a_bug_of_one_is_not_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener that raises against its contract keeps no other from hearing."""
    async with staged(listed(ONE), listed({**ONE, "status": "stopped"})) as stage:
        ear, broken = DifferenceListener(), DifferenceListener()
        monkeypatch.setattr(broken, "heard", None)
        stage.fleet.follow(broken)
        stage.fleet.follow(ear)
        await stage.fleet.known()
        await stage.next_poll()
        assert await ear.changes_received() == [("s1", "stopped", False)]


def test_what_came_went_and_changed_is_told_apart() -> None:
    """A server that came or went alters the list; one with another address only itself; the same is nothing."""
    before = {item: server(ident=item) for item in ("same", "moved", "gone")}
    now = {"same": server(ident="same"), "moved": server(ident="moved", ipv4="192.0.2.1"), "new": server(ident="new")}
    results = {difference.server.id: difference.listed for difference in differences(before, now)}
    assert results == {"moved": False, "gone": True, "new": True}


def test_who_is_missing_from_half_a_list_is_not_gone() -> None:
    """An incomplete list proves nothing about a server that is missing from it."""
    before = {"s1": server(), "s2": server(ident="s2")}
    half = ProviderList([server("stopped")], total=2)
    assert [
        (difference.server.id, difference.listed) for difference in differences(before, known_after(before, half))
    ] == [("s1", False)]
