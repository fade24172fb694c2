"""Reads take their time and no more: attempts, waits that the provider asks for, silence, queues and shared calls."""

import json
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.provider import (
    BOUND,
    KEY,
    QUICK,
    SERVER,
    SERVER_ID,
    Provider,
    Reply,
    raw,
    refused_port,
    silent,
    wire,
)
from tests.harness.patience import eventually
from vpsops.core.wayscloud.answers.errors import (
    MalformedAnswerError,
    NotAuthenticatedError,
    NotSentError,
    ProviderFaultError,
    UnreachableError,
    WayscloudError,
)
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection, ReadContext
from vpsops.core.wayscloud.requests.credentials import Credentials

LIST = Reply(200, {"instances": [SERVER], "total": 1})
GET = f"/v1/vps/{SERVER_ID}"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_passing_trouble_is_sat_out(status: int) -> None:
    """Two bad answers and a good answer are a good answer."""
    provider = Provider().on("GET", "/v1/vps", Reply(status), Reply(status), LIST)
    async with provider.client() as client:
        assert len(await client.list_servers()) == 1
    assert len(provider.received) == 3


@pytest.mark.parametrize("status", [429, 503])
async def test_patience_ends_after_three_attempts(status: int) -> None:
    """A trouble that stays is reported after the third attempt."""
    provider = Provider().on("GET", "/v1/vps", Reply(status))
    async with provider.client() as client:
        with pytest.raises(WayscloudError):
            await client.list_servers()
    assert len(provider.received) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 409, 500])
async def test_what_asking_again_cannot_cure_is_not_asked_again(status: int) -> None:
    """These answers are final."""
    provider = Provider().on("GET", GET, Reply(status))
    async with provider.client() as client:
        with pytest.raises(WayscloudError):
            await client.get_server(SERVER_ID)
    assert len(provider.received) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_waited_for_in_both_forms(form: str) -> None:
    """The provider's waiting time is kept to, by the clock, whichever way it is written."""
    clock = FakeClock()
    header = "0.2" if form == "seconds" else format_datetime(clock.now() + timedelta(seconds=0), usegmt=True)
    settings = replace(QUICK, wait_initial=0.2)
    provider = Provider().on("GET", "/v1/vps", Reply(503, headers={"Retry-After": header}), LIST)
    async with provider.client(settings, clock) as client:
        started = anyio.current_time()
        await client.list_servers()
    assert anyio.current_time() - started >= 0.199


async def test_a_date_too_far_away_is_not_waited_for() -> None:
    """A date beyond the cap gives up at once and reports the seconds."""
    clock = FakeClock()
    header = format_datetime(clock.now() + timedelta(seconds=3600), usegmt=True)
    provider = Provider().on("GET", "/v1/vps", Reply(503, headers={"Retry-After": header}))
    async with provider.client(clock=clock) as client:
        with pytest.raises(ProviderFaultError) as caught:
            await client.list_servers()
    assert caught.value.retry_after == 3600.0
    assert len(provider.received) == 1


async def test_all_attempts_together_are_bounded_in_time() -> None:
    """However long the provider asks to wait, the whole read ends; the last error is reported."""
    settings = replace(QUICK, total_seconds=0.3)
    provider = Provider().on("GET", "/v1/vps", Reply(503, {"detail": "later"}, {"Retry-After": "10"}))
    async with provider.client(settings) as client:
        with anyio.fail_after(BOUND), pytest.raises(ProviderFaultError, match="later"):
            await client.list_servers()


async def test_silence_ends_in_time() -> None:
    """A provider that takes the request and never answers is given up."""
    async with wire(silent) as server, server.client(replace(QUICK, attempt_seconds=0.1, attempts=1)) as client:
        with anyio.fail_after(BOUND), pytest.raises(UnreachableError, match="TimeoutError"):
            await client.get_server(SERVER_ID)


async def test_dripping_bytes_end_in_time() -> None:
    """A body that comes byte by byte, each in time, still ends when the attempt's time is up."""

    async def drip(stream: Any, _: Any) -> None:
        await stream.send(raw("200 OK", b"", length=10**6))
        while True:
            await stream.send(b" ")
            await anyio.sleep(0.01)

    async with wire(drip) as server, server.client(replace(QUICK, attempt_seconds=0.2, attempts=1)) as client:
        with anyio.fail_after(BOUND), pytest.raises((UnreachableError, MalformedAnswerError)):
            await client.get_server(SERVER_ID)


async def test_nobody_listening_is_not_sent() -> None:
    """A refused connection means that nothing left."""
    port = await refused_port()
    client = Wayscloud(
        ProviderConnection(Credentials(KEY), base_url=f"http://127.0.0.1:{port}", clock=FakeClock(), settings=QUICK)
    )
    async with client:
        with pytest.raises(NotSentError, match=r"could not be reached \(All connection attempts failed\)"):
            await client.list_servers()


async def test_no_more_than_the_allowed_requests_are_under_way() -> None:
    """Of many simultaneous reads only a bounded number is out at a time, and all of them come back."""
    out = 0
    most = 0
    full = anyio.Event()

    async def count(stream: Any, _: Any) -> None:
        nonlocal out, most
        out += 1
        most = max(most, out)
        if out == 3:
            full.set()
        await full.wait()
        out -= 1
        await stream.send(raw("200 OK", json.dumps(SERVER).encode()))

    three = replace(QUICK, max_in_flight=3, attempt_seconds=BOUND)
    async with wire(count) as server, server.client(three) as client, anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(client.get_server, SERVER_ID)
    assert most == 3
    assert len(server.received) == 12


async def test_a_queue_that_does_not_move_ends_in_not_sent() -> None:
    """A read that gets no turn in time was not sent."""
    async with wire(silent) as server:
        settings = replace(QUICK, max_in_flight=1, queue_seconds=0.05, attempts=1)
        async with server.client(settings) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(client.get_server, SERVER_ID)
            await eventually(lambda: server.received)
            with pytest.raises(NotSentError):
                await client.get_server(SERVER_ID)
            tasks.cancel_scope.cancel()


def coalesced(client: Wayscloud) -> Wayscloud:
    """Return a client for reads that share calls, on the same connection."""
    return Wayscloud(client._connection, ReadContext(coalesced=True))


async def test_reads_that_people_look_at_share_a_call() -> None:
    """Twenty lists at once are one call where that is asked for, and twenty where it is not; the next one is new."""
    provider = Provider().on("GET", "/v1/vps", LIST)

    async def read(client: Wayscloud) -> None:
        assert [server.id for server in await client.list_servers()] == [SERVER_ID]

    async with provider.client() as client:
        for view, calls in ((coalesced(client), 1), (coalesced(client), 2), (client, 22)):
            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(read, view)
            assert len(provider.received) == calls


async def test_what_is_shared_fails_for_all() -> None:
    """Every caller that shared the call gets the refusal of the key."""
    provider = Provider().on("GET", "/v1/vps", Reply(401, {"detail": "no"}))
    messages: list[str] = []

    async def read(client: Wayscloud) -> None:
        with pytest.raises(NotAuthenticatedError) as caught:
            await client.list_servers()
        messages.append(caught.value.error_id)

    async with provider.client() as client, anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(read, coalesced(client))
    assert len(messages) == 5
    assert len(set(messages)) == 1
