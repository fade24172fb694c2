"""How servers move in time, as a client sees it."""

from itertools import pairwise

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.playground.wayscloud.harness import DB, WEB, bench
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.hardware.simulated_clock import Timeline


async def test_a_created_server_is_ready_after_one_to_three_minutes() -> None:
    """Provisioning takes the documented time, addresses come with readiness, uptime begins there."""
    async with bench() as sim:
        made = (await sim.order()).json()
        path = f"/v1/vps/{made['id']}"
        sim.clock.advance(59.9)
        early = (await sim.api.get(path)).json()
        sim.clock.advance(120.1)
        ready = (await sim.api.get(path)).json()
        usage = (await sim.api.get(f"{path}/status")).json()
    assert (early["status"], early["ipv4_address"], early["ipv6_address"]) == ("provisioning", None, None)
    assert (ready["status"], ready["ipv4_address"]) == ("running", made["ipv4"])
    assert 0 <= usage["uptime_seconds"] <= 120


async def test_a_stopped_server_is_stopping_for_a_while_then_has_no_measurements() -> None:
    """Stop is graceful, and a stopped server reports a zero uptime and nothing else."""
    async with bench() as sim:
        await sim.api.post(f"/v1/vps/{WEB}/stop")
        moving = (await sim.api.get(f"/v1/vps/{WEB}")).json()["status"]
        sim.clock.advance(20)
        usage = (await sim.api.get(f"/v1/vps/{WEB}/status")).json()
    assert moving == "stopping"
    assert usage == {"status": "stopped", "uptime_seconds": 0}


async def test_a_start_takes_half_a_minute_to_a_minute() -> None:
    """A started server passes through `starting` and counts its uptime from the end of it."""
    async with bench() as sim:
        await sim.api.post(f"/v1/vps/{WEB}/stop")
        sim.clock.advance(20)
        await sim.api.post(f"/v1/vps/{WEB}/start")
        sim.clock.advance(29.9)
        moving = (await sim.api.get(f"/v1/vps/{WEB}/status")).json()
        sim.clock.advance(30.1)
        usage = (await sim.api.get(f"/v1/vps/{WEB}/status")).json()
    assert moving == {"status": "starting", "uptime_seconds": 0}
    assert usage["status"] == "running"
    assert 0 <= usage["uptime_seconds"] <= 30


async def test_a_reboot_shows_only_in_the_uptime_in_the_documented_dialect() -> None:
    """The state stays `running`; the uptime counts on until the reboot is over, then starts again."""
    async with bench() as sim:
        await sim.api.post(f"/v1/vps/{WEB}/reboot")
        sim.clock.advance(59.9)
        during = (await sim.api.get(f"/v1/vps/{WEB}/status")).json()
        sim.clock.advance(60.1)
        after = (await sim.api.get(f"/v1/vps/{WEB}/status")).json()
    assert during["status"] == after["status"] == "running"
    assert during["uptime_seconds"] == 2592059
    assert after["uptime_seconds"] <= 60
    assert after["network_in_bytes"] < during["network_in_bytes"]


async def test_speed_shortens_waits_but_creation_times_stay_the_clocks() -> None:
    """At 60, three minutes pass in three seconds; clients can compare dates and uptimes with their own."""
    async with bench(SimulatorConfig(dialect="seed", speed=60)) as sim:
        created_at = sim.clock.now()
        made = (await sim.order()).json()
        sim.clock.advance(3)
        ready = (await sim.api.get(f"/v1/vps/{made['id']}")).json()
        usage = (await sim.api.get(f"/v1/vps/{WEB}/status")).json()
    assert ready["status"] == "running"
    assert ready["created_at"] == created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert usage["uptime_seconds"] == 2592000 + 3


async def test_an_uptime_counts_the_clocks_seconds_whatever_the_speed() -> None:
    """It never falls because the speed was changed, or the world moved on; only a boot restarts it."""
    clock = FakeClock()
    time = Timeline(clock, 60.0)
    boot = time.seconds()
    clock.advance(2)
    time.set_speed(600.0)
    assert time.age(boot) == pytest.approx(2)
    clock.advance(3)
    time.advance(1000)
    assert time.age(boot) == pytest.approx(1005)
    clock.advance(1)
    assert (time.age(boot), time.age(time.seconds()), time.age(-50.0)) == pytest.approx((1006, 0, 1056))


@pytest.mark.parametrize("operation", ["start", "stop", "reboot"])
async def test_a_server_between_states_refuses_every_power_operation(operation: str) -> None:
    """A busy server answers 409, and nothing is counted."""
    async with bench() as sim:
        made = (await sim.order()).json()
        answer = await sim.api.post(f"/v1/vps/{made['id']}/{operation}")
        effects = await sim.effects()
    assert (answer.status_code, answer.json()) == (409, {"detail": "VPS is busy (provisioning)"})
    assert effects == {"create": 1}


@pytest.mark.parametrize(("strict", "code"), [(False, 200), (True, 409)])
async def test_asking_for_the_present_state_is_harmless_unless_strict(strict: bool, code: int) -> None:
    """Starting a running and stopping a stopped server answers 200 without an effect, or 409 when states are strict."""
    async with bench(SimulatorConfig(dialect="seed", speed=1, strict_states=strict)) as sim:
        await sim.api.post(f"/v1/vps/{DB}/stop")
        sim.clock.advance(20)
        answers = [await sim.api.post(f"/v1/vps/{WEB}/start"), await sim.api.post(f"/v1/vps/{DB}/stop")]
        effects = await sim.effects()
    assert [answer.status_code for answer in answers] == [code, code]
    assert effects == {"stop": 1}


async def test_a_server_that_is_off_cannot_reboot() -> None:
    """A reboot of a stopped server is refused in any case."""
    async with bench() as sim:
        await sim.api.post(f"/v1/vps/{WEB}/stop")
        sim.clock.advance(20)
        answer = await sim.api.post(f"/v1/vps/{WEB}/reboot")
    assert (answer.status_code, answer.json()) == (409, {"detail": "VPS must be running"})


async def test_usage_moves_and_counters_only_grow() -> None:
    """Percentages change from one minute to the next within bounds; byte counters never fall while up."""
    seen = []
    async with bench(SimulatorConfig(dialect="seed", speed=1, fleet=12)) as sim:
        running = [each for each in (await sim.api.get("/v1/vps")).json()["instances"] if each["status"] == "running"]
        for _ in range(10):
            sim.clock.advance(61)
            seen.append([(await sim.api.get(f"/v1/vps/{each['id']}/status")).json() for each in running])
    for before, after in pairwise(seen):
        for old, new in zip(before, after, strict=True):
            assert old["network_in_bytes"] <= new["network_in_bytes"]
            assert all(0 <= new[f"{what}_usage_percent"] <= 100 for what in ("cpu", "memory", "disk"))
    assert len({each[0]["cpu_usage_percent"] for each in seen}) > 3


async def test_equal_seeds_give_equal_worlds_whatever_happens_elsewhere() -> None:
    """The third order of one world is the third of another, and power takes as long, in any order of requests."""
    worlds = []
    for noisy in (False, True):
        async with bench(SimulatorConfig(dialect="seed", speed=1, fleet=50, seed=7)) as sim:
            if noisy:
                await sim.api.post(f"/v1/vps/{DB}/reboot")
                sim.clock.advance(1)
            await sim.api.post(f"/v1/vps/{WEB}/reboot")
            made = [(await sim.order(f"n{number}.example.com")).json() for number in range(3)]
            lasts = (await sim.api.get(f"/_sim/servers/{WEB}")).json()["settles_in"]
            worlds.append((made, round(lasts, 6), [each.hostname for each in sim.simulator.world.servers()]))
    assert worlds[0] == worlds[1]


async def test_a_server_that_is_put_up_by_hand_has_been_up_for_a_day() -> None:
    """A reboot right afterwards shows in its uptime, as with any server that ran before."""
    async with bench() as sim:
        for status in ("stopped", "running"):
            await sim.api.post(f"/_sim/servers/{WEB}", json={"status": status})
        usage = (await sim.api.get(f"/v1/vps/{WEB}/status")).json()
    assert usage["uptime_seconds"] == 86400
