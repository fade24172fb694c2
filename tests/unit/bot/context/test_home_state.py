"""Open Home views, and the one read of the servers that serves them all."""

from collections.abc import Awaitable, Callable

import pytest

from tests.fakes.clock import FakeClock
from vpsops.bot.context.home_state import LIST_SECONDS, MOST, OPEN_SECONDS, TROUBLE_SECONDS, Homes, Shelf, Viewer
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.monitoring.change_feed import ChangeEvent
from vpsops.core.wayscloud.answers.errors import WayscloudError
from vpsops.core.wayscloud.answers.models import ProviderList, Server

Look = Callable[[], Awaitable[ProviderList[Server]]]


def looking(asked: list[int], error: Exception | None = None) -> Look:
    """Return a read that counts its calls, and fails if it should."""

    async def read_servers() -> ProviderList[Server]:
        asked.append(1)
        if error is not None:
            raise error
        return ProviderList([Server(id="1", hostname="web01", status="running")])

    return read_servers


async def test_one_look_serves_all_until_it_is_old_or_something_happened() -> None:
    """Within some seconds there is no second call, unless a change touched a server."""
    clock, homes, asked = FakeClock(), Homes(), [0]
    for _ in range(3):
        assert len(await homes.shelf.servers(clock, looking(asked))) == 1
    assert len(asked) == 2
    homes.record([ChangeEvent(1, "chg_1")])
    await homes.shelf.servers(clock, looking(asked))
    assert len(asked) == 2
    homes.record([ChangeEvent(2, "chg_1", touched=True)])
    await homes.shelf.servers(clock, looking(asked))
    assert len(asked) == 3
    clock.advance(LIST_SECONDS + 1)
    await homes.shelf.servers(clock, looking(asked))
    assert len(asked) == 4


async def test_a_provider_that_is_away_is_not_asked_again_for_a_while() -> None:
    """Requests meanwhile get the same error at once; a refresh, or a later request, reads again."""
    clock, shelf, asked = FakeClock(), Shelf(), [0]
    for _ in range(3):
        with pytest.raises(WayscloudError, match="away"):
            await shelf.servers(clock, looking(asked, WayscloudError("It is away.")))
    assert len(asked) == 2
    shelf.old()
    assert await shelf.servers(clock, looking(asked))
    shelf.old()
    with pytest.raises(WayscloudError):
        await shelf.servers(clock, looking(asked, WayscloudError("It is away.")))
    clock.advance(TROUBLE_SECONDS + 1)
    assert await shelf.servers(clock, looking(asked))


async def test_what_one_person_may_not_see_is_no_answer_for_the_next() -> None:
    """A refusal is its asker's alone."""
    clock, shelf, asked = FakeClock(), Shelf(), [0]
    with pytest.raises(NotAllowedError):
        await shelf.servers(clock, looking(asked, NotAllowedError("Not you.")))
    assert await shelf.servers(clock, looking(asked))


def test_the_newest_homes_of_the_last_hour_are_kept_current() -> None:
    """A crowd does not cost more than some; opening again counts as new; an hour later it is over."""
    homes = Homes()
    for number in range(MOST + 5):
        homes.opened(Viewer(f"U{number}", "T1"), float(number))
    homes.opened(Viewer("U5", "T1"), 100.0)
    kept = [item.viewer.user for item in homes.current(100.0)]
    assert len(kept) == MOST
    assert kept[0] == "U5"
    assert "U0" not in kept
    assert [item.viewer.user for item in homes.current(OPEN_SECONDS + 50)] == ["U5"]
    assert homes.current(OPEN_SECONDS + 101) == []


async def test_many_things_at_once_are_one_reason_to_look() -> None:
    """News that came before the wait is not missed, and is taken once."""
    homes = Homes()
    for seq in range(5):
        homes.record([ChangeEvent(seq)])
    assert await homes.news(0.0)
    assert not await homes.news(0.0)
