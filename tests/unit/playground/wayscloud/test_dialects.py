"""Paths, slashes and names of each dialect."""

import httpx
import pytest

from tests.harness.virtual_time import VirtualClock
from tests.unit.playground.wayscloud.harness import WEB, Bench, bench
from vpsops.core.common.errors import ConfigurationError
from vpsops.playground.wayscloud.app import create_app
from vpsops.playground.wayscloud.dialects import DIALECTS
from vpsops.playground.wayscloud.faults.config import SimulatorConfig


async def asked(sim: Bench, method: str, path: str) -> tuple[int, object]:
    """Return status, and the detail or the target of a redirect, without following it."""
    answer = await sim.api.request(method, path, follow_redirects=False)
    if answer.is_redirect:
        return answer.status_code, answer.headers["location"]
    body = answer.json() if answer.content else None
    return answer.status_code, body.get("detail") if isinstance(body, dict) else None


NOT_FOUND, NO_SERVER, NOT_ALLOWED = (404, "Not Found"), (404, "VPS not found"), (405, "Method Not Allowed")
ROUTES = [
    ("seed", "GET", "/v1/vps", (200, None)),
    ("seed", "GET", "/v1/vps/", NOT_FOUND),
    ("seed", "POST", "/v1/vps/", NOT_FOUND),
    ("seed", "GET", "/v1/vps/plans/", (200, None)),
    ("seed", "GET", "/v1/vps/plans", NO_SERVER),
    ("seed", "GET", "/v1/vps/os-templates", (200, None)),
    ("seed", "GET", "/v1/vps/os-templates/", NOT_FOUND),
    ("seed", "GET", "/v1/vps/regions", (200, None)),
    ("seed", "GET", f"/v1/vps/{WEB}/", NOT_FOUND),
    ("terraform", "GET", "/v1/vps", (307, "http://simulator/v1/vps/")),
    ("terraform", "POST", "/v1/vps", (307, "http://simulator/v1/vps/")),
    ("terraform", "GET", "/v1/vps/", (200, None)),
    ("terraform", "GET", "/v1/vps/plans", NO_SERVER),
    ("terraform", "GET", "/v1/vps/os-templates", NO_SERVER),
    ("terraform", "GET", "/v1/vps/os-templates/", (200, None)),
    ("terraform", "GET", "/v1/vps/regions", (200, None)),
    ("sdk", "GET", "/v1/vps", NOT_ALLOWED),
    ("sdk", "GET", "/v1/vps/", (200, None)),
    ("sdk", "POST", "/v1/vps/", NOT_ALLOWED),
    ("sdk", "GET", "/v1/vps/plans/", (200, None)),
    ("sdk", "GET", "/v1/vps/regions", NO_SERVER),
    ("sdk", "GET", f"/v1/vps/{WEB}/", (307, f"http://simulator/v1/vps/{WEB}")),
]


@pytest.mark.parametrize(("dialect", "method", "path", "expected"), ROUTES)
async def test_each_dialect_serves_its_own_paths(
    dialect: str, method: str, path: str, expected: tuple[int, object]
) -> None:
    """A missing or extra slash redirects, is taken for a server, or is not there, as each source suggests."""
    async with bench(SimulatorConfig(speed=1, dialect=dialect)) as sim:
        assert await asked(sim, method, path) == expected


@pytest.mark.parametrize("dialect", ["seed", "terraform", "sdk"])
async def test_what_no_source_documents_is_not_there(dialect: str) -> None:
    """A call that the dialect's source does not make is not offered, and an unknown server is not found."""
    async with bench(SimulatorConfig(speed=1, dialect=dialect)) as sim:
        if dialect == "seed":  # the clients call it
            assert await asked(sim, "DELETE", f"/v1/vps/{WEB}") == NOT_ALLOWED
        parts = (200, None) if dialect == "sdk" else NOT_FOUND  # the SDK calls them
        assert await asked(sim, "GET", f"/v1/vps/{WEB}/backups") == parts
        assert await asked(sim, "GET", "/v2/vps") == NOT_FOUND
        assert await asked(sim, "POST", "/v1/vps/none/stop") == NO_SERVER
        assert await asked(sim, "GET", "/v1/vps/none/status") == NO_SERVER


async def test_a_redirected_create_takes_effect_once() -> None:
    """A client that repeats method and body at the other slash form makes one server."""
    async with bench(SimulatorConfig(speed=1, dialect="terraform")) as sim:
        answer = await sim.order()
        effects = await sim.effects()
    assert (answer.status_code, effects) == (201, {"create": 1})
    assert [each.status_code for each in answer.history] == [307]


async def test_terraform_shows_power_beside_a_life_cycle() -> None:
    """An `active` server may be off; neither start nor stop shows in `status`."""
    seen = []
    async with bench(SimulatorConfig(speed=1, dialect="terraform")) as sim:
        for operation, wait in (("stop", 0), ("stop", 20), ("start", 0), ("start", 60), ("reboot", 1)):
            await sim.api.post(f"/v1/vps/{WEB}/{operation}")
            sim.clock.advance(wait)
            server = (await sim.api.get(f"/v1/vps/{WEB}")).json()
            seen.append((server["status"], server["power_state"]))
        made = (await sim.order()).json()
    assert seen == [("active", "on"), ("active", "off"), ("active", "off"), ("active", "on"), ("active", "on")]
    assert (made["status"], made["power_state"], made["ipv4_address"]) == ("provisioning", None, None)
    assert (made["ram_mb"], made["region"], made["provisioned_at"]) == (4096, "NO", None)


async def test_the_sdk_dialect_names_every_state_and_has_no_uptime() -> None:
    """A reboot shows as `rebooting`, since usage has no uptime to fall; off has no measurements."""
    seen = []
    async with bench(SimulatorConfig(speed=1, dialect="sdk")) as sim:
        for operation, wait in (("reboot", 0), ("reboot", 120), ("stop", 0), ("stop", 20), ("start", 0)):
            await sim.api.post(f"/v1/vps/{WEB}/{operation}")
            sim.clock.advance(wait)
            server = (await sim.api.get(f"/v1/vps/{WEB}")).json()
            seen.append((server["status"], server["power_state"]))
        usage = (await sim.api.get(f"/v1/vps/{WEB}/status")).json()
    assert seen == [
        ("rebooting", "on"),
        ("active", "on"),
        ("stopping", "on"),
        ("stopped", "off"),
        ("starting", "off"),
    ]
    assert usage == {"power_state": "off"}


async def test_only_the_sdk_dialect_filters_the_list() -> None:
    """`status` and `region` are sent by the SDK and documented nowhere, so the documented dialect ignores them."""
    async with bench(SimulatorConfig(speed=1, dialect="sdk", fleet=60)) as sim:
        everything = (await sim.api.get("/v1/vps/")).json()
        off = (await sim.api.get("/v1/vps/", params={"status": "stopped", "region": "sweden"})).json()
        nowhere = (await sim.api.get("/v1/vps/", params={"region": "atlantis"})).json()
    async with bench(SimulatorConfig(dialect="seed", speed=1, fleet=60)) as sim:
        ignored = (await sim.api.get("/v1/vps", params={"status": "stopped"})).json()
    assert everything["total"] == ignored["total"] == 60
    assert 0 < off["total"] < 60
    assert {(each["status"], each["region"]) for each in off["vps_instances"]} == {("stopped", "SE")}
    assert nowhere == {"vps_instances": [], "total": 0}


async def test_a_fleet_of_ten_thousand_is_listed_whole() -> None:
    """All servers come in one answer, each hostname once, in several states."""
    async with bench(SimulatorConfig(dialect="seed", speed=1, fleet=10_000)) as sim:
        body = (await sim.api.get("/v1/vps")).json()
    assert body["total"] == len(body["instances"]) == len({each["hostname"] for each in body["instances"]}) == 10_000
    assert {"running", "stopped", "provisioning", "error"} <= {each["status"] for each in body["instances"]}


async def test_a_list_does_work_only_for_servers_on_the_move() -> None:
    """Reading a large fleet settles due moves and leaves every other server the same object."""
    async with bench(SimulatorConfig(dialect="seed", speed=1, fleet=2_000)) as sim:
        before = {each.id: each for each in sim.simulator.world.servers()}
        sim.clock.advance(200)
        after = sim.simulator.world.servers()
    moved = [each for each in after if before[each.id] is not each]
    assert {before[each.id].state for each in moved} == {"provisioning", "starting", "stopping"}
    assert not any(each.busy for each in after)


def test_an_unknown_dialect_is_refused_with_the_choices() -> None:
    """A wrong name is a configuration error that lists the choices."""
    with pytest.raises(ConfigurationError, match="seed, terraform, sdk"):
        create_app(SimulatorConfig(dialect="klingon"), clock=VirtualClock())


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
async def test_head_is_refused_as_fastapi_refuses_it(dialect: str) -> None:
    """A route for GET does not bring HEAD along."""
    async with bench(SimulatorConfig(speed=1, dialect=dialect)) as sim:
        answer: httpx.Response = await sim.api.head(sim.simulator.dialect.paths["list"][1])
    assert answer.status_code == 405


async def test_only_the_live_dialect_describes_itself() -> None:
    """`/openapi.json` needs no key and names every route; elsewhere it is not there."""
    async with bench(SimulatorConfig(speed=1, dialect="live")) as sim:
        del sim.api.headers["x-api-key"]
        body = (await sim.api.get("/openapi.json")).json()
        served = {(method.upper(), path) for path, item in body["paths"].items() for method in item}
        assert served == set(sim.simulator.dialect.paths.values())
    async with bench() as sim:
        assert (await sim.api.get("/openapi.json")).status_code == 404


@pytest.mark.parametrize("operation", sorted(DIALECTS["live"].paths))
async def test_the_live_dialect_answers_both_slash_forms(operation: str) -> None:
    """Whichever form a client requests, it is answered, without a redirect."""
    async with bench(SimulatorConfig(speed=1, dialect="live")) as sim:
        method, path = sim.simulator.dialect.paths[operation]
        place = path.format(vps_id=WEB, snapshot_name="none", backup_id="none", rule_id="none", region="NO")
        both = [place.removesuffix("/"), place.removesuffix("/") + "/"]
        answers = [await sim.api.request(method, each, follow_redirects=False) for each in both]
        operations = [entry.operation for entry in sim.simulator.journal.entries()]
    assert operations == [operation] * 2
    assert not any(answer.is_redirect or answer.json() == {"detail": "Not Found"} for answer in answers)


async def test_the_live_dialect_filters_by_either_word() -> None:
    """A server that is up is found under `active` and under `running`; one that reboots is up."""
    async with bench(SimulatorConfig(speed=1, dialect="live")) as sim:
        await sim.api.post(f"/v1/vps/{WEB}/reboot")
        totals = [
            (await sim.api.get("/v1/vps/", params={"status": word})).json()["total"]
            for word in ("active", "running", "stopped")
        ]
    assert totals == [2, 2, 0]


async def test_the_live_dialect_shows_a_reboot_by_its_uptime_alone() -> None:
    """`status` stays `active`; `power_state` is whether it is on; stopped is Terraform's word."""
    seen = []
    async with bench(SimulatorConfig(speed=1, dialect="live")) as sim:
        for operation, wait in (("reboot", 1), ("reboot", 120), ("stop", 0), ("stop", 20)):
            await sim.api.post(f"/v1/vps/{WEB}/{operation}")
            sim.clock.advance(wait)
            server = (await sim.api.get(f"/v1/vps/{WEB}")).json()
            usage = (await sim.api.get(f"/v1/vps/{WEB}/status")).json()
            seen.append((server["status"], server["power_state"], usage["uptime_seconds"] < 3600))
    assert seen == [("active", "on", False), ("active", "on", True), ("stopping", "on", True), ("stopped", "off", True)]
