"""Every answer of the simulator fits the description of the API, and the documented ones fit to the letter."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, get_args

import httpx
import pytest
import yaml
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.unit.playground.wayscloud.harness import WEB, Bench, bench
from vpsops.playground.wayscloud.account.resources import RESOURCES
from vpsops.playground.wayscloud.dialects import DIALECTS
from vpsops.playground.wayscloud.faults import OperationName
from vpsops.playground.wayscloud.faults.config import SimulatorConfig

METHODS = {
    "list": ("/v1/vps", "get"),
    "create": ("/v1/vps", "post"),
    "plans": ("/v1/vps/plans/", "get"),
    "os_templates": ("/v1/vps/os-templates", "get"),
    "regions": ("/v1/vps/regions", "get"),
    "get": ("/v1/vps/{vps_id}", "get"),
    "status": ("/v1/vps/{vps_id}/status", "get"),
    "start": ("/v1/vps/{vps_id}/start", "post"),
    "stop": ("/v1/vps/{vps_id}/stop", "post"),
    "reboot": ("/v1/vps/{vps_id}/reboot", "post"),
}
EXTENDED = {name: (f"/v1/vps/{{vps_id}}/{row.path}", row.method.lower()) for name, row in RESOURCES.items()}
UNDOCUMENTED = {
    "all_regions": ("/v1/regions", "get"),
    "plans_of_region": ("/v1/vps/plans/region/{region}", "get"),
    "addons": ("/v1/vps/addons/", "get"),
    "delete": ("/v1/vps/{vps_id}", "delete"),
    "update": ("/v1/vps/{vps_id}", "patch"),
    "upgrade": ("/v1/vps/{vps_id}/upgrade", "post"),
}
DESCRIBED = METHODS | EXTENDED | UNDOCUMENTED
LONG = 3600.0
STATES = ("running", "stopped", "starting", "stopping", "rebooting", "provisioning", "error", "terminated")
ERRORS = (400, 401, 403, 404, 409, 422, 429, 500, 503)


@cache
def description() -> dict[str, Any]:
    """Return the description that is shipped with the simulator."""
    text = files("vpsops.playground.wayscloud").joinpath("openapi.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def response(operation: str, status: int) -> Mapping[str, Any]:
    """Return the described answer, references followed."""
    path, method = DESCRIBED[operation]
    results: Mapping[str, Any] = description()["paths"][path][method]["responses"][str(status)]
    if "$ref" in results:
        results = description()["components"]["responses"][results["$ref"].rsplit("/", 1)[1]]
    return results


def example(operation: str, name: str = "documented", status: int = 200) -> Any:
    """Return an example of an answer by name."""
    return response(operation, status)["content"]["application/json"]["examples"][name]["value"]


def check(operation: str, answer: httpx.Response) -> None:
    """Fail unless status, type and body are as described."""
    content = response(operation, answer.status_code)["content"]
    assert answer.headers["content-type"] == "application/json"
    schema = {**content["application/json"]["schema"], "components": description()["components"]}
    problems = [error.message for error in OAS31Validator(schema).iter_errors(answer.json())]
    assert not problems, (operation, problems[:3], answer.text[:300])


BODIES: Mapping[str, Mapping[str, object]] = {
    "create_snapshot": {"snapshot_name": "second", "description": "before the upgrade"},
    "update": {"display_name": "Web 01", "labels": {"team": "shop"}, "tags": ["web"]},
    "add_firewall_rule": {"port": 443, "protocol": "tcp", "source": "10.0.0.0/8"},
    "set_backup_policy": {"frequency": "weekly", "day_of_week": 0, "time_of_day": "03:00", "retention_days": 7},
}


async def call(sim: Bench, operation: str, server: str = WEB) -> httpx.Response:
    """Call an operation where the dialect serves it."""
    if operation == "create":
        return await sim.order()
    method, path = sim.simulator.dialect.paths[operation]
    backups = sim.simulator.world.items_of(WEB, "backups")
    rules = sim.simulator.world.items_of(WEB, "rules")
    names = {"snapshot_name": "first", "backup_id": next(iter(backups), "none"), "rule_id": next(iter(rules), "none")}
    place = path.format(vps_id=server, region="NO", **names)
    body = upgrade_body(sim) if operation == "upgrade" else BODIES.get(operation)
    return await sim.api.request(method, place, json=body)


def upgrade_body(sim: Bench) -> Mapping[str, object]:
    """Return the order of the next larger plan than the first server's."""
    plans = [plan for plan in sim.simulator.dialect.catalogue.plans.values() if plan.location in ("", "NO")]
    return {"new_plan_code": next(plan.code for plan in plans if plan.memory_gb == 8)}


async def prepare(sim: Bench, operation: str) -> None:
    """Bring the server into the state that an operation needs, with a snapshot and a backup."""
    if operation == "delete_backup_policy":
        await sim.api.put(f"/v1/vps/{WEB}/backup-policy", json=BODIES["set_backup_policy"])
    if operation in RESOURCES:
        await sim.api.post(f"/v1/vps/{WEB}/snapshots", json={"snapshot_name": "first"})
        await sim.api.post(f"/v1/vps/{WEB}/backups")
        await sim.api.post(f"/v1/vps/{WEB}/firewall", json={"port": 22})
        sim.clock.advance(LONG)
    if operation in ("start", "rollback_snapshot"):
        await sim.api.post(f"/_sim/servers/{WEB}", json={"status": "stopped"})


def pairs() -> list[tuple[str, str]]:
    """Return every operation of every dialect."""
    return [(dialect.name, operation) for dialect in DIALECTS.values() for operation in dialect.paths]


def test_the_description_is_valid() -> None:
    """It is a sound OpenAPI document, and every core operation of it is served by some dialect."""
    OpenAPIV31SpecValidator(description()).validate()
    described = {
        (path, method): "core" in operation["tags"]
        for path, item in description()["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert {route for route, core in described.items() if core} == set(METHODS.values())
    assert set(described) == set(DESCRIBED.values())
    assert set(DIALECTS["live"].paths) == set(DESCRIBED) == set(get_args(OperationName))


@pytest.mark.parametrize(("dialect", "operation"), pairs())
async def test_every_good_answer_is_as_described(dialect: str, operation: str) -> None:
    """In every dialect, over a fleet in many states."""
    async with bench(SimulatorConfig(speed=1, dialect=dialect, fleet=200)) as sim:
        await prepare(sim, operation)
        answer = await call(sim, operation)
    assert answer.is_success or (operation, answer.status_code) == ("restore_backup", 501)
    check(operation, answer)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("dialect", sorted(DIALECTS))
async def test_every_state_reads_as_described(dialect: str, state: str) -> None:
    """List, server, usage, and power operations whether they are taken or refused."""
    async with bench(SimulatorConfig(speed=1, dialect=dialect)) as sim:
        for operation in ("list", "get", "status", "start", "stop", "reboot"):
            await sim.api.post(f"/_sim/servers/{WEB}", json={"status": state})
            check(operation, await call(sim, operation))


@pytest.mark.parametrize(("dialect", "operation"), pairs())
async def test_every_error_is_as_described(dialect: str, operation: str) -> None:
    """Without a key, for an unknown server, for a wrong order, and each error that a rule can make."""
    async with bench(SimulatorConfig(speed=1, dialect=dialect)) as sim:
        described = [code for code in ERRORS if str(code) in description_codes(operation)]
        for code in described:
            await sim.fault(kind="status", status=code, times=1)
            answer = await call(sim, operation)
            assert answer.status_code == code
            check(operation, answer)
        if "{vps_id}" in DESCRIBED[operation][0]:
            check(operation, await call(sim, operation, server="nowhere"))
        if operation == "create":
            check(operation, await sim.order(hostname=""))
            check(operation, await sim.order(region="atlantis"))
        del sim.api.headers["x-api-key"]
        answer = await call(sim, operation)
        assert answer.status_code == 401
        check(operation, answer)


def description_codes(operation: str) -> Mapping[str, Any]:
    """Return the described answers of an operation by code."""
    path, method = DESCRIBED[operation]
    codes: Mapping[str, Any] = description()["paths"][path][method]["responses"]
    return codes


@pytest.mark.parametrize("operation", sorted(set(METHODS) - {"create"}))
async def test_the_documented_answers_are_given_to_the_letter(operation: str) -> None:
    """A fresh simulator in the seed dialect answers with exactly the examples of the API page, values included."""
    async with bench() as sim:
        answer = await call(sim, operation)
    assert answer.json() == example(operation)
    assert list(answer.json()) == list(example(operation))


async def test_the_documented_create_answer_has_exactly_its_five_fields() -> None:
    """`id`, `hostname`, `status`, `ipv4` and `ipv6`, with addresses."""
    async with bench() as sim:
        answer = await call(sim, "create")
    assert answer.json().keys() == example("create", status=201).keys()
    assert answer.json()["status"] == "provisioning"
    assert None not in answer.json().values()


async def test_the_documented_shapes_hold_in_every_state() -> None:
    """List entries have five fields and servers thirteen, in every state; usage has seven when up and two when off."""
    async with bench() as sim:
        for state in STATES:
            await sim.api.post(f"/_sim/servers/{WEB}", json={"status": state})
            entries = (await call(sim, "list")).json()["instances"]
            usage = (await call(sim, "status")).json()
            assert all(each.keys() == example("list")["instances"][0].keys() for each in entries)
            assert (await call(sim, "get")).json().keys() == example("get").keys()
            up = state in ("running", "stopping", "rebooting")
            assert usage.keys() == example("status", "documented" if up else "stopped").keys()


async def test_provisioning_and_stopped_servers_read_as_their_examples() -> None:
    """Addresses are null until a server is ready, and stay when it is stopped."""
    async with bench() as sim:
        await sim.api.post(f"/_sim/servers/{WEB}", json={"status": "stopped"})
        assert (await call(sim, "get")).json() == example("get", "stopped")
        made = (await sim.order(display_name="Production Web Server")).json()["id"]
        server = (await call(sim, "get", made)).json()
    same = ("status", "display_name", "plan_code", "region", "os_template", "ipv4_address", "ipv6_address", "disk_gb")
    assert {key: server[key] for key in same} == {key: example("get", "provisioning")[key] for key in same}


@pytest.mark.parametrize(
    ("dialect", "operation", "name"),
    [
        ("terraform", "get", "terraform_names"),
        ("terraform", "plans", "terraform_names"),
        ("terraform", "os_templates", "terraform_names"),
        ("sdk", "list", "sdk_key"),
        ("sdk", "status", "cli_names"),
    ],
)
async def test_the_other_dialects_use_the_names_of_their_sources(dialect: str, operation: str, name: str) -> None:
    """Field for field as in the examples that were gathered from the clients."""
    async with bench(SimulatorConfig(speed=1, dialect=dialect)) as sim:
        body = (await call(sim, operation)).json()
    expected = example(operation, name)
    if dialect == "sdk" and operation == "list":
        assert body.keys() == expected.keys()
        body, expected = body["vps_instances"], expected["vps_instances"]
        assert body[0].keys() - expected[0].keys() == {"snapshot_supported"}
        assert expected[0].keys() <= body[0].keys()
    elif isinstance(body, list):
        assert body[0].keys() == expected[0].keys()
    else:
        assert body.keys() == expected.keys()
