"""Connections that really break, seen by a client that handles raw bytes, and a server that continues."""

import anyio
import httpx
import pytest

from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.playground.wayscloud.harness import KEY, ORDERS, WEB
from vpsops.playground.wayscloud.faults import Fault
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, listen, running_simulator

REBOOT = f"POST /v1/vps/{WEB}/reboot HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Length: 0\r\n\r\n".encode()
LIST = f"GET /v1/vps HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n\r\n".encode()
IMPATIENT_SECONDS = 0.3  # of virtual time: the answer takes thirty


def config(*faults: Fault) -> SimulatorConfig:
    """Return a set-up with these faults."""
    return SimulatorConfig(faults=faults)


async def talk(handle: SimulatorHandle, request: bytes) -> bytes | type[BaseException]:
    """Send bytes and return all that comes back until the connection ends, or how it broke."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async with await anyio.connect_tcp("127.0.0.1", handle.port) as stream:
            await stream.send(request)
            received = b""
            try:
                while True:
                    received += await stream.receive()
            except anyio.EndOfStream:
                return received
            except anyio.BrokenResourceError as broken:
                return type(broken.__cause__ or broken)


@pytest.mark.parametrize(
    ("fault", "ends", "effects"),
    [
        (Fault(kind="drop_before"), b"", 0),
        (Fault(kind="drop_after"), b"", 1),
        (Fault(kind="drop_before", reset=True), ConnectionResetError, 0),
        (Fault(kind="drop_after", reset=True), ConnectionResetError, 1),
    ],
    ids=["close before", "close after", "reset before", "reset after"],
)
async def test_a_dropped_connection_ends_without_a_byte(
    fault: Fault, ends: bytes | type[BaseException], effects: int
) -> None:
    """A close is an end of stream and a reset is a reset; only the effect distinguishes before from after."""
    async with running_simulator(config(fault), clock=VirtualClock()) as handle:
        assert await talk(handle, REBOOT) == ends
        assert handle.simulator.world.counts["reboot"] == effects


async def test_a_dropped_connection_was_not_answered_and_not_logged_as_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The server treats the drop as intended, and serves the next connection."""
    async with running_simulator(config(Fault(kind="drop_after", times=1)), clock=VirtualClock()) as handle:
        await talk(handle, REBOOT)
        async with httpx.AsyncClient(base_url=handle.url, headers={"x-api-key": KEY}) as api:
            answer = await api.get("/v1/vps")
        noted = handle.simulator.journal.entries()[0]
    assert answer.status_code == 200
    assert (noted.outcome, noted.status, noted.effect) == ("dropped", None, True)
    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_a_kept_connection_can_break_at_its_second_request() -> None:
    """The first answer arrives whole; the drop concerns only the request it strikes."""
    async with running_simulator(config(Fault(kind="drop_before", nth=2)), clock=VirtualClock()) as handle:
        received = await talk(handle, LIST + LIST)
    assert isinstance(received, bytes)
    assert received.count(b"HTTP/1.1 200 OK") == 1
    assert received.endswith(b'"total":2}')


async def test_an_http_client_sees_a_protocol_error_and_a_repeated_create_makes_two() -> None:
    """What a careless client does after a lost answer, measured by the effects."""
    order = {"hostname": "twin.example.com", **ORDERS["seed"]}
    async with (
        running_simulator(config(Fault(kind="drop_after", times=1)), clock=VirtualClock()) as handle,
        httpx.AsyncClient(base_url=handle.url, headers={"x-api-key": KEY}, timeout=PATIENCE_SECONDS) as api,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            await api.post("/v1/vps", json=order)
        again = await api.post("/v1/vps", json=order)
        effects = (await api.get("/_sim/effects")).json()
    assert again.status_code == 201
    assert effects["counts"] == {"create": 2}
    assert effects["effects"][0]["server_id"] != effects["effects"][1]["server_id"]


async def test_an_effect_happens_though_the_client_gave_up_waiting() -> None:
    """A slow server keeps working after the client's timeout."""
    async with running_simulator(
        config(Fault(kind="slow", seconds=30, after_effect=True)), clock=VirtualClock()
    ) as handle:
        async with httpx.AsyncClient(base_url=handle.url, headers={"x-api-key": KEY}, timeout=IMPATIENT_SECONDS) as api:
            with pytest.raises(httpx.ReadTimeout):
                await api.post(f"/v1/vps/{WEB}/stop")
        assert handle.simulator.world.counts == {"stop": 1}


async def test_many_connections_are_dropped_each_on_its_own() -> None:
    """Half of a hundred requests at once break, and every one of the others is answered whole."""
    outcomes: list[bool] = []
    async with running_simulator(config(Fault(kind="drop_before", probability=0.5)), clock=VirtualClock()) as handle:

        async def ask() -> None:
            request = LIST.replace(b"Host: x", b"Host: x\r\nConnection: close")
            received = await talk(handle, request)
            assert isinstance(received, bytes)
            assert received == b"" or received.endswith(b'"total":2}')
            outcomes.append(received == b"")

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(ask)
        fired = handle.simulator.faults.armed[0].fired
    assert 25 < fired < 75
    assert (len(outcomes), sum(outcomes)) == (100, fired)


async def test_only_this_machine_can_connect() -> None:
    """The socket is bound to 127.0.0.1 and to nothing else."""
    async with running_simulator(clock=VirtualClock()) as handle:
        assert handle.url == f"http://127.0.0.1:{handle.port}"
        with pytest.raises(OSError, match="connect"):
            await anyio.connect_tcp("127.0.0.2", handle.port)


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    """Serving wraps no error of the test in a group, and frees the port."""
    with pytest.raises(LookupError, match="mine"):
        async with running_simulator(clock=VirtualClock()) as handle:
            raise LookupError("mine")
    with listen(handle.port) as again:
        assert again.getsockname()[1] == handle.port
