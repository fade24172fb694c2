"""The simulator's own endpoints."""

import httpx
import pytest

from tests.harness.virtual_time import VirtualClock
from tests.unit.playground.wayscloud.harness import DB, WEB, bench
from vpsops.playground.wayscloud import request_log
from vpsops.playground.wayscloud.app import create_app
from vpsops.playground.wayscloud.faults import Fault
from vpsops.playground.wayscloud.faults.config import SimulatorConfig


async def test_every_request_is_kept_with_what_became_of_it() -> None:
    """Also those that were refused, redirected or not found; reading the list adds nothing to it."""
    async with bench(SimulatorConfig(speed=1, dialect="terraform")) as sim:
        await sim.api.get("/v1/vps")
        await sim.api.post(f"/v1/vps/{WEB}/stop")
        await sim.api.get("/v1/nowhere")
        await sim.api.get("/_sim/requests")
        kept = (await sim.api.get("/_sim/requests")).json()
    entries = [(each["seq"], each["operation"], each["status"], each["effect"]) for each in kept["requests"]]
    assert entries == [(1, None, 307, False), (2, "list", 200, False), (3, "stop", 200, True), (4, None, 404, False)]
    assert kept["total"] == 4


async def test_requests_can_be_narrowed() -> None:
    """By number and by operation."""
    async with bench() as sim:
        for path in ("/v1/vps", f"/v1/vps/{WEB}", "/v1/vps"):
            await sim.api.get(path)
        late = (await sim.api.get("/_sim/requests?since=1&operation=list")).json()["requests"]
        wrong = await sim.api.get("/_sim/requests?since=yesterday")
    assert [each["seq"] for each in late] == [3]
    assert wrong.status_code == 422


def test_the_requests_kept_are_bounded() -> None:
    """The oldest make room, the total keeps counting."""
    kept = request_log.Journal()
    app = create_app(SimulatorConfig(), clock=VirtualClock())
    for _ in range(request_log.KEPT + 5):
        kept.open(request_log.Entry(0, app.simulator.clock.now(), "GET", "/v1/vps", "", [], b""))
    entries = kept.entries()
    assert (len(entries), entries[0].seq, kept.total) == (request_log.KEPT, 6, request_log.KEPT + 5)


async def test_effects_are_counted_and_named() -> None:
    """Each create and power operation that took effect, with server, hostname and time; refused ones are not."""
    async with bench() as sim:
        made = (await sim.order("counted.example.com")).json()
        await sim.api.post(f"/v1/vps/{WEB}/stop")
        await sim.api.post(f"/v1/vps/{WEB}/stop")
        await sim.api.post(f"/v1/vps/{DB}/start")
        document = (await sim.api.get("/_sim/effects")).json()
        stops = (await sim.api.get("/_sim/effects?operation=stop")).json()["effects"]
    assert [(each["operation"], each["server_id"], each["hostname"]) for each in document["effects"]] == [
        ("create", made["id"], "counted.example.com"),
        ("stop", WEB, "web01.example.com"),
    ]
    assert (document["counts"], document["total"], len(stops)) == ({"create": 1, "stop": 1}, 2, 1)
    assert document["effects"][0]["at"] == sim.clock.now().isoformat()


async def test_faults_are_added_shown_with_their_counts_and_cleared() -> None:
    """The rules of the start and the added ones, until none is wanted."""
    async with bench(SimulatorConfig(faults=(Fault(kind="slow", seconds=0),))) as sim:
        await sim.fault(kind="status", status=500, times=1)
        await sim.api.get("/v1/vps")
        await sim.api.get("/v1/vps")
        rules = (await sim.api.get("/_sim/faults")).json()["faults"]
        wrong = await sim.api.post("/_sim/faults", json={"kind": "explode"})
        cleared = (await sim.api.delete("/_sim/faults")).json()
    assert [(each["kind"], each["matched"], each["fired"]) for each in rules] == [("slow", 2, 2), ("status", 2, 1)]
    assert (wrong.status_code, cleared) == (422, {"faults": []})
    assert "kind" in wrong.json()["detail"]


async def test_reset_goes_back_to_the_start() -> None:
    """First servers, first faults, first speed, nothing received and nothing counted."""
    async with bench(SimulatorConfig(speed=1, faults=(Fault(kind="slow", seconds=0),))) as sim:
        await sim.order()
        await sim.api.delete("/_sim/faults")
        await sim.api.post("/_sim/time", json={"speed": 9})
        await sim.api.post("/_sim/servers/web01.example.com", json={"delete": True})
        answer = (await sim.api.post("/_sim/reset")).json()
        kept = (await sim.api.get("/_sim/requests")).json()
        rules = (await sim.api.get("/_sim/faults")).json()["faults"]
        speed = (await sim.api.get("/_sim/time")).json()["speed"]
        effects = await sim.effects()
    assert (answer, kept["total"], len(rules), speed, effects) == ({"servers": 2}, 0, 1, 1, {})


@pytest.mark.parametrize("name", [WEB, "web01.example.com"])
async def test_a_server_changes_behind_everyones_back(name: str) -> None:
    """State and names change without an effect being counted; an id or a hostname names the server."""
    async with bench() as sim:
        changed = (await sim.api.post(f"/_sim/servers/{name}", json={"status": "stopped", "hostname": "w"})).json()
        seen = (await sim.api.get(f"/v1/vps/{WEB}")).json()
        usage = (await sim.api.get(f"/v1/vps/{WEB}/status")).json()
        effects = await sim.effects()
    assert (changed["state"], changed["settles_in"]) == ("stopped", None)
    assert (seen["status"], seen["hostname"], usage["uptime_seconds"], effects) == ("stopped", "w", 0, {})


async def test_a_reboot_behind_everyones_back_shows_in_the_uptime() -> None:
    """A state in between settles in its own time."""
    async with bench() as sim:
        await sim.api.post(f"/_sim/servers/{WEB}", json={"status": "rebooting"})
        sim.clock.advance(60)
        usage = (await sim.api.get(f"/v1/vps/{WEB}/status")).json()
    assert usage["uptime_seconds"] == 0


@pytest.mark.parametrize("state", ["error", "terminated", "provisioning", "starting", "stopping", "running"])
async def test_every_state_can_be_forced_and_read_in_every_dialect(state: str) -> None:
    """No state breaks a renderer."""
    for dialect in ("seed", "terraform", "sdk"):
        async with bench(SimulatorConfig(speed=1, dialect=dialect)) as sim:
            await sim.api.post(f"/_sim/servers/{WEB}", json={"status": "stopped"})
            await sim.api.post(f"/_sim/servers/{WEB}", json={"status": state})
            answers = [await sim.api.get(path) for path in ("/v1/vps/", f"/v1/vps/{WEB}", f"/v1/vps/{WEB}/status")]
        assert {each.status_code for each in answers[1:]} == {200}


async def test_a_server_vanishes_behind_everyones_back() -> None:
    """It is gone from reads and lists, and a second deletion finds nothing."""
    async with bench() as sim:
        gone = (await sim.api.post(f"/_sim/servers/{DB}", json={"delete": True})).json()
        read = await sim.api.get(f"/v1/vps/{DB}")
        total = (await sim.api.get("/v1/vps")).json()["total"]
        again = await sim.api.post(f"/_sim/servers/{DB}", json={"delete": True})
    assert (gone, read.status_code, total, again.status_code) == ({"deleted": DB}, 404, 1, 404)


@pytest.mark.parametrize("body", [{}, {"status": "asleep"}, {"state": "stopped"}, [], {"hostname": ""}])
async def test_a_wrong_override_is_refused(body: object) -> None:
    """An empty, unknown or misspelt change is an error, never ignored."""
    async with bench() as sim:
        answer = await sim.api.post(f"/_sim/servers/{WEB}", json=body)
    assert answer.status_code == 422


async def test_time_can_be_made_to_pass() -> None:
    """A jump settles what is due; another speed continues from there without a leap."""
    async with bench() as sim:
        made = (await sim.order()).json()
        await sim.api.post("/_sim/time", json={"advance": 180})
        ready = (await sim.api.get(f"/v1/vps/{made['id']}")).json()["status"]
        shifted = (await sim.api.post("/_sim/time", json={"speed": 100})).json()
        sim.clock.advance(2)
        later = (await sim.api.get("/_sim/time")).json()
    assert (ready, shifted["seconds"], later["seconds"]) == ("running", 180, 380)


@pytest.mark.parametrize("body", [{"speed": 0}, {"advance": -1}, {"sped": 3}])
async def test_time_cannot_stand_still_or_go_back(body: dict[str, float]) -> None:
    """Durations would never end."""
    async with bench() as sim:
        answer = await sim.api.post("/_sim/time", json=body)
        broken = await sim.api.post("/_sim/time", content=b"{")
    assert (answer.status_code, broken.status_code) == (422, 422)


@pytest.mark.parametrize(
    ("client", "headers", "code"),
    [
        (("127.0.0.1", 5), {}, 200),
        (("127.8.0.1", 5), {}, 200),
        (("::1", 5), {}, 200),
        (("192.0.2.1", 5), {}, 403),
        (("localhost", 5), {}, 403),
        (("127.0.0.1", 5), {"origin": "http://evil.example"}, 403),
    ],
)
async def test_control_is_for_this_machine_only(client: tuple[str, int], headers: dict[str, str], code: int) -> None:
    """No key is needed, but neither another machine nor a web page may pull the levers."""
    transport = httpx.ASGITransport(create_app(SimulatorConfig(), clock=VirtualClock()), client=client)
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as api:
        answer = await api.get("/_sim/effects", headers=headers)
        assert (await api.get("/_sim/nothing", headers=headers)).status_code == (404 if code == 200 else 403)
    assert answer.status_code == code
