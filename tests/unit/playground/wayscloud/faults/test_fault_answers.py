"""What a client gets of each fault, and whether the effect happened."""

from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime

import anyio
import httpx
import pytest

from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.playground.wayscloud.harness import WEB, bench
from vpsops.playground.wayscloud.faults.config import SimulatorConfig


@pytest.mark.parametrize(("after_effect", "effects"), [(False, {}), (True, {"create": 1})])
async def test_an_error_says_nothing_about_the_effect(after_effect: bool, effects: dict[str, int]) -> None:
    """The same 500 comes whether or not the server was made: the danger of the provider's own past bug."""
    async with bench() as sim:
        await sim.fault(kind="status", status=500, after_effect=after_effect)
        answer = await sim.order()
        counted = await sim.effects()
    assert (answer.status_code, answer.json(), counted) == (500, {"detail": "Internal error"}, effects)


async def test_retry_after_comes_as_seconds_or_as_a_date() -> None:
    """Both forms of the header, and none by default."""
    async with bench() as sim:
        await sim.fault(kind="status", status=429, retry_after=7, times=1)
        await sim.fault(kind="status", status=503, retry_after=90, retry_after_date=True, times=1)
        await sim.fault(kind="status", status=429, times=1)
        throttled, unavailable, silent = [await sim.api.get("/v1/vps") for _ in range(3)]
    assert (throttled.status_code, throttled.headers["retry-after"]) == (429, "7")
    date = parsedate_to_datetime(unavailable.headers["retry-after"])
    assert date == sim.clock.now() + timedelta(seconds=90)
    assert "retry-after" not in silent.headers


@pytest.mark.parametrize("code", [502, 504])
async def test_a_gateway_error_is_a_page_and_not_json(code: int) -> None:
    """As a proxy in front of the service would answer."""
    async with bench() as sim:
        await sim.fault(kind="status", status=code)
        answer = await sim.api.get("/v1/vps")
    assert (answer.status_code, answer.headers["content-type"]) == (code, "text/html; charset=utf-8")
    assert answer.text.startswith("<html>")


async def test_an_error_can_carry_any_text() -> None:
    """For the error shapes that other sources show."""
    async with bench() as sim:
        await sim.fault(kind="status", status=402, body='{"error": {"code": "UNPAID", "message": "Pay first"}}')
        answer = await sim.api.get("/v1/vps")
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "UNPAID")


async def test_a_malformed_answer_comes_after_the_effect() -> None:
    """200 with half a document, and the server exists."""
    async with bench() as sim:
        await sim.fault(kind="malformed")
        answer = await sim.order()
        effects = await sim.effects()
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        answer.json()
    assert (answer.status_code, effects) == (200, {"create": 1})


async def test_an_oversized_answer_is_streamed() -> None:
    """As many bytes as configured, and a few."""
    async with bench() as sim:
        await sim.fault(kind="oversized", size=300_000)
        answer = await sim.api.get("/v1/vps")
    assert 300_000 <= len(answer.content) < 300_100
    assert "content-length" not in answer.headers


@pytest.mark.parametrize(("status", "code"), [(None, 307), (308, 308), (302, 302)])
async def test_a_redirect_leads_to_another_origin_with_the_same_target(status: int | None, code: int) -> None:
    """Path and query are kept, so that a careless client sends everything there."""
    async with bench() as sim:
        await sim.fault(kind="redirect", location="http://elsewhere.invalid/", **({"status": status} if status else {}))
        answer = await sim.api.get("/v1/vps?status=running", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (
        code,
        "http://elsewhere.invalid/v1/vps?status=running",
    )


@pytest.mark.parametrize(("after_effect", "during"), [(False, {}), (True, {"stop": 1})])
async def test_a_slow_answer_waits_before_or_after_the_effect(after_effect: bool, during: dict[str, int]) -> None:
    """The wait is in real seconds whatever the speed, and other requests are served meanwhile."""
    answers: list[httpx.Response] = []
    async with bench(SimulatorConfig(speed=60)) as sim:
        await sim.fault(kind="slow", seconds=30, after_effect=after_effect, match={"operation": "stop"})

        async def stop() -> None:
            answers.append(await sim.api.post(f"/v1/vps/{WEB}/stop"))

        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(stop)
                await sim.clock.waited_on.wait()
                meanwhile = await sim.effects()
                sim.clock.advance(29)
                early = list(answers)
                sim.clock.advance(1)
        effects = await sim.effects()
    assert (meanwhile, early, effects) == (during, [], {"stop": 1})
    assert answers[0].status_code == 200


@pytest.mark.parametrize(
    ("kind", "reset", "error", "effects"),
    [
        ("drop_before", False, httpx.RemoteProtocolError, {}),
        ("drop_after", False, httpx.RemoteProtocolError, {"reboot": 1}),
        ("drop_after", True, httpx.ReadError, {"reboot": 1}),
    ],
)
async def test_a_drop_in_process_raises_what_a_socket_would(
    kind: str, reset: bool, error: type[Exception], effects: dict[str, int]
) -> None:
    """Clients called without a socket see the same errors, and the request is noted as dropped."""
    async with bench() as sim:
        await sim.fault(kind=kind, reset=reset)
        with pytest.raises(error):
            await sim.api.post(f"/v1/vps/{WEB}/reboot")
        counted = await sim.effects()
        noted = sim.simulator.journal.entries()[-1]
    assert counted == effects
    assert (noted.outcome, noted.status, noted.effect, noted.faults) == ("dropped", None, bool(effects), [kind])


@pytest.mark.parametrize(
    ("dialect", "show"),
    [("seed", lambda body: body["ipv4_address"]), ("sdk", lambda body: body["power_state"])],
)
async def test_a_doomed_server_ends_in_error(dialect: str, show: Callable[[dict[str, object]], object]) -> None:
    """It provisions like any other, then fails without addresses and refuses power operations."""
    async with bench(SimulatorConfig(speed=1, dialect=dialect)) as sim:
        await sim.fault(kind="fail_provision", match={"hostname": "cursed*"})
        made = (await sim.order("cursed01.example.com")).json()
        fine = (await sim.order("blessed01.example.com")).json()
        sim.clock.advance(180)
        doomed = (await sim.api.get(f"/v1/vps/{made['id']}")).json()
        ready = (await sim.api.get(f"/v1/vps/{fine['id']}")).json()
        refused = await sim.api.post(f"/v1/vps/{made['id']}/start")
    assert made["status"] == "provisioning"
    assert (doomed["status"], show(doomed) in (None, "off")) == ("error", True)
    assert ready["status"] in ("running", "active")
    assert refused.status_code == 409
