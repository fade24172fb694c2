"""The names of regions as a process reads them: once an hour, in bounded time, and without weight for a change."""

from dataclasses import replace
from typing import cast

import anyio
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.provider import Provider, Reply
from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.core.harness import ALICE, SLACK, Setup, Stage, staged
from vpsops.core.changes.requests import Done, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.timings import REGION_NAMES_KEPT_SECONDS, REGION_NAMES_PAUSE_SECONDS
from vpsops.core.operations.servers import ServerList
from vpsops.core.operations.target import Target
from vpsops.core.service.region_directory import RegionDirectory
from vpsops.core.wayscloud.answers.models import ProviderList, Region, Server
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.playground.wayscloud.serve import SimulatorHandle

LISTED = Reply(200, {"regions": [{"code": "no", "name": "Norway", "city": "Oslo", "country": "NO"}]})
ASKED = "GET /v1/regions"


async def names_from(directory: RegionDirectory, provider: Provider) -> str:
    """Return the name of one region."""
    async with provider.client() as api:
        return (await directory.names(api)).name_of("oslo")


async def test_they_are_read_once_an_hour() -> None:
    """Questions meanwhile get those of the last read."""
    clock, provider = FakeClock(), Provider().on("GET", "/v1/regions", LISTED)
    directory = RegionDirectory(clock)
    for _ in range(3):
        assert await names_from(directory, provider) == "Oslo, Norway"
    clock.advance(REGION_NAMES_KEPT_SECONDS - 1)
    await names_from(directory, provider)
    assert provider.paths().count(ASKED) == 1
    clock.advance(1)
    await names_from(directory, provider)
    assert provider.paths().count(ASKED) == 2


@pytest.mark.requirement("region-names")
@pytest.mark.parametrize("reply", [Reply(500), Reply(404), Reply(403), Reply(200, "no list"), Reply(429)])
async def test_a_failed_read_leaves_ids_alone_and_is_not_repeated_at_once(reply: Reply) -> None:
    """Names that were known stay."""
    clock, provider = FakeClock(), Provider().on("GET", "/v1/regions", reply)
    directory = RegionDirectory(clock)
    assert await names_from(directory, provider) == ""
    sent = len(provider.received)
    clock.advance(REGION_NAMES_PAUSE_SECONDS - 1)
    assert await names_from(directory, provider) == ""
    assert len(provider.received) == sent
    clock.advance(1)
    assert await names_from(directory, Provider().on("GET", "/v1/regions", LISTED)) == "Oslo, Norway"
    clock.advance(REGION_NAMES_KEPT_SECONDS)
    assert await names_from(directory, provider) == "Oslo, Norway"


async def test_without_the_list_of_all_services_that_for_servers_has_names() -> None:
    """It is the other one that the provider documents."""
    provider = Provider().on("GET", "/v1/vps/regions", Reply(200, [{"id": "oslo", "name": "Oslo, Norway"}]))
    assert await names_from(RegionDirectory(FakeClock()), provider) == "Oslo, Norway"


class SilentApi:
    """An API that takes questions and answers none."""

    def __init__(self) -> None:
        self.asked = 0

    async def list_named_regions(self) -> ProviderList[Region]:
        """Wait for ever."""
        self.asked += 1
        await anyio.sleep_forever()
        raise AssertionError


async def test_no_answer_is_waited_for_no_longer_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that does not answer costs that time once, and ids stand alone."""
    monkeypatch.setattr("vpsops.core.service.region_directory.REGION_NAMES_SECONDS", 0.05)
    silent, directory = SilentApi(), RegionDirectory(FakeClock())
    with anyio.fail_after(PATIENCE_SECONDS):
        for _ in range(3):
            assert (await directory.names(cast("Wayscloud", silent))).name_of("oslo") == ""
    assert silent.asked == 1


async def test_servers_without_a_region_ask_for_no_names() -> None:
    """The documented list has none."""
    provider = Provider()
    server = Server(id="1", hostname="web01", status="running")
    async with provider.client() as api:
        assert await RegionDirectory(FakeClock()).named_servers(api, [server]) == [server]
    assert provider.received == []


async def listed(stage: Stage, region: str) -> list[str]:
    """Return where the servers are that a filter finds."""
    request = Request("list", {"region": region}, ALICE, SLACK)
    outcome = await stage.servers.read(request, scope=OPERATOR)
    assert isinstance(outcome, Done)
    assert isinstance(outcome.result, ServerList)
    return [server.place for server in outcome.result.servers]


@pytest.mark.requirement("region-names")
@pytest.mark.parametrize("typed", ["oslo", "NO", "Oslo, Norway", "Norway", "Oslo, Norway (oslo)"])
async def test_a_filter_takes_a_name_or_an_id(database_url: str, provider: SimulatorHandle, typed: str) -> None:
    """And what it finds is shown by both."""
    async with staged(database_url, provider) as stage:
        stage.server("db07.example.com")
        assert set(await listed(stage, typed)) == {"Oslo, Norway (oslo)"}
        assert await listed(stage, "Frankfurt") == []


@pytest.mark.requirement("region-names")
async def test_a_change_holds_the_name_and_its_digest_does_not(database_url: str, provider: SimulatorHandle) -> None:
    """With the name or without, the same is agreed to, and runs."""
    async with staged(database_url, provider, Setup()) as stage:
        server = stage.server("db07.example.com")
        held = await stage.ask("stop", server=server.id)
        assert held.target.place == "Oslo, Norway (oslo)"
        async with Provider().client() as api:
            nameless = await RegionDirectory(FakeClock()).named_target(api, held.target)
        assert nameless == replace(held.target, region_name="")
        assert Target("", "new", region="SE").place == "SE"
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        assert (await stage.rest(held.id)).state.value == "succeeded"
