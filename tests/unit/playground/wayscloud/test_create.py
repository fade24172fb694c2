"""Orders: which are accepted, which are refused and how."""

import pytest

from tests.unit.playground.wayscloud.harness import ORDERS, bench
from vpsops.playground.wayscloud.faults.config import SimulatorConfig


async def test_the_documented_order_is_accepted() -> None:
    """The example of the page works, though its operating system is in no list."""
    async with bench() as sim:
        answer = await sim.order(os_template="ubuntu-22.04", display_name="Web", ssh_keys=["ssh-ed25519 AAAA me"])
        made = (await sim.api.get(f"/v1/vps/{answer.json()['id']}")).json()
    assert answer.status_code == 201
    assert answer.json()["status"] == "provisioning"
    assert (made["display_name"], made["os_template"], made["region"]) == ("Web", "ubuntu-22.04", "oslo")


async def test_missing_and_wrong_fields_are_listed_as_pydantic_lists_them() -> None:
    """A 422 names every field by its place in the body."""
    async with bench() as sim:
        answer = await sim.api.post("/v1/vps", json={"hostname": "", "plan_code": 3, "region": "oslo"})
    types = {(item["type"], *item["loc"]) for item in answer.json()["detail"]}
    assert answer.status_code == 422
    assert types == {
        ("string_too_short", "body", "hostname"),
        ("string_type", "body", "plan_code"),
        ("missing", "body", "os_template"),
    }


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"", "missing"), (b"{nonsense", "json_invalid"), (b"\xff\xfe", "json_invalid"), (b"[]", "model_type")],
)
async def test_a_body_that_is_no_object_is_refused(body: bytes, kind: str) -> None:
    """Nothing, broken JSON, bytes that are no text and a list all answer 422, never 500."""
    async with bench() as sim:
        answer = await sim.api.post("/v1/vps", content=body)
        effects = await sim.effects()
    assert (answer.status_code, answer.json()["detail"][0]["type"], effects) == (422, kind, {})


@pytest.mark.parametrize(
    ("dialect", "fields", "detail"),
    [
        ("seed", {"plan_code": "vps-1tb"}, "Unknown plan_code"),
        ("seed", {"region": "atlantis"}, "Invalid region"),
        ("seed", {"os_template": "plan9"}, "Unknown os_template"),
        ("seed", {"os_template": "windows-server-2025", "plan_code": "vps-2gb-1cpu"}, "Windows needs"),
        ("terraform", {"os_template": "windows-server-2025"}, "Windows needs"),
        ("terraform", {"region": "SE"}, "Plan is not available in this region"),
    ],
)
async def test_an_order_that_does_not_fit_the_catalogue_is_refused(
    dialect: str, fields: dict[str, object], detail: str
) -> None:
    """Unknown codes and combinations answer 422 with one sentence, and no server is made."""
    async with bench(SimulatorConfig(speed=1, dialect=dialect)) as sim:
        answer = await sim.api.post("/v1/vps", json={"hostname": "x.example.com", **ORDERS[dialect], **fields})
        effects = await sim.effects()
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(detail)
    assert effects == {}


@pytest.mark.parametrize("region", ["oslo", " Oslo ", "NORWAY", "no-oslo-1", "no"])
async def test_a_location_is_understood_in_every_spelling_and_read_back_in_one(region: str) -> None:
    """A sent location is trimmed, upper-cased and mapped: `oslo` reads back as `NO` outside the documented dialect."""
    async with bench(SimulatorConfig(speed=1, dialect="terraform")) as sim:
        made = (await sim.order(region=region)).json()
    assert made["region"] == "NO"


async def test_the_display_name_becomes_the_hostname_when_left_out() -> None:
    """As the Terraform provider describes it."""
    async with bench() as sim:
        made = (await sim.order("plain.example.com")).json()
        server = (await sim.api.get(f"/v1/vps/{made['id']}")).json()
    assert server["display_name"] == "plain.example.com"


@pytest.mark.parametrize(("unique", "codes", "made"), [(False, [201, 201], 2), (True, [201, 409], 1)])
async def test_the_same_order_twice_makes_two_servers_unless_hostnames_are_unique(
    unique: bool, codes: list[int], made: int
) -> None:
    """Nothing protects from a repeated create by default: that is the danger clients are tested against."""
    async with bench(SimulatorConfig(speed=1, unique_hostnames=unique)) as sim:
        answers = [await sim.order("twin.example.com"), await sim.order("Twin.example.com")]
        effects = await sim.effects()
    assert [answer.status_code for answer in answers] == codes
    assert effects == {"create": made}


async def test_an_endless_body_is_refused() -> None:
    """More than a megabyte is not read into memory."""
    async with bench() as sim:
        answer = await sim.api.post("/v1/vps", content=b"x" * (1 << 21))
    assert answer.status_code == 413
