"""What each fault of a view, of the effect and of the encoding does to answers, in the live dialect."""

import gzip
import json
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.unit.playground.wayscloud.harness import DB, WEB, Bench, bench
from vpsops.playground.wayscloud.faults import PRESETS
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.faults.presets import FIVE

LIVE = SimulatorConfig(speed=1, dialect="live")
LIST, ONE, STATUS = "/v1/vps", f"/v1/vps/{WEB}", f"/v1/vps/{WEB}/status"


async def read(sim: Bench, path: str = LIST) -> Any:
    """Return the body of a read that must succeed."""
    answer = await sim.api.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def names(sim: Bench, path: str = LIST) -> list[str]:
    """Return the hostnames in the list, in their order."""
    return [server["hostname"].partition(".")[0] for server in (await read(sim, path))["instances"]]


@pytest.mark.parametrize("name", sorted(PRESETS))
async def test_every_preset_is_put_in_force_by_its_name(name: str) -> None:
    """As many rules as it has, each shown under its kind; the simulator still answers."""
    async with bench(LIVE) as sim:
        await sim.fault(preset=name)
        rules = (await sim.api.get("/_sim/faults")).json()["faults"]
        assert [rule["kind"] for rule in rules] == [fault.kind for fault in PRESETS[name].faults]
        assert name in (await sim.api.get("/_sim/presets")).json()["presets"]


async def test_a_stale_list_lacks_what_is_new_and_keeps_what_is_gone() -> None:
    """The list is as of then while the one server is as of now."""
    async with bench(LIVE) as sim:
        sim.clock.advance(100)
        await sim.fault(kind="stale", match={"operation": "list"}, seconds=60)
        made = (await sim.order()).json()["id"]
        await sim.api.post(f"/_sim/servers/{DB}", json={"delete": True})
        await sim.api.post(f"/v1/vps/{WEB}/stop")
        sim.clock.advance(59)
        body = await read(sim)
        assert [server["id"] for server in body["instances"]] == [WEB, DB]
        assert body["instances"][0]["status"] == "active"
        assert (await read(sim, f"/v1/vps/{made}"))["hostname"] == "new.example.com"
        assert (await read(sim, ONE))["status"] == "stopped"
        sim.clock.advance(2)
        assert await names(sim) == ["web01", "new"]
        sim.clock.advance(60)
        assert (await read(sim))["instances"][0]["status"] == "stopped"


async def test_stale_usage_counts_the_seconds_of_then() -> None:
    """A reboot shows in the uptime as late as everything else."""
    async with bench(LIVE) as sim:
        await sim.fault(kind="stale", match={"operation": "status"}, seconds=500)
        await sim.api.post(f"/v1/vps/{WEB}/reboot")
        sim.clock.advance(400)
        assert (await read(sim, STATUS))["uptime_seconds"] > 1_000_000
        sim.clock.advance(300)
        assert (await read(sim, STATUS))["uptime_seconds"] < 200


async def test_fields_are_left_out_or_null_for_the_servers_named() -> None:
    """`only` and `without` drop them, `null` empties them; `hosts` selects the servers."""
    async with bench(LIVE) as sim:
        await sim.fault(
            kind="fields", match={"operation": "list"}, only=list(FIVE), null=["ipv4_address"], hosts="web*"
        )
        first, second = (await read(sim))["instances"]
        assert first.keys() == {"id", "hostname", "display_name", "status", "ipv4_address"}
        assert first["ipv4_address"] is None
        assert second["power_state"] == "on"
        await sim.fault(kind="fields", match={"operation": "status"}, without=["uptime_seconds"])
        assert "uptime_seconds" not in await read(sim, STATUS)


MARKS = [
    ("total", {"total": 3}, False),
    ("silent", {"total": 2}, False),
    ("next", {"next": "http://simulator/v1/vps?page=2"}, True),
    ("link", {}, True),
    ("pagination", {"meta": {"pagination": {"page": 1, "per_page": 2, "total": 3, "pages": 2}}}, True),
    ("has_more", {"has_more": True}, True),
]


@pytest.mark.parametrize(("form", "marks", "leads_on"), MARKS)
async def test_a_list_in_pages_says_so_in_its_own_way(form: str, marks: dict[str, object], leads_on: bool) -> None:
    """The first page has so many servers; the next one is `?page=2` where the form leads on."""
    async with bench(LIVE) as sim:
        await sim.order()
        await sim.fault(kind="pages", match={"operation": "list"}, form=form, size=2)
        answer = await sim.api.get(LIST)
        body = answer.json()
        assert {key: value for key, value in body.items() if key not in ("instances", "vps_instances")} == marks
        assert answer.headers.get("link") == (
            '<http://simulator/v1/vps?page=2>; rel="next"' if form == "link" else None
        )
        assert await names(sim) == ["web01", "db01"]
        assert await names(sim, f"{LIST}?page=2") == (["new"] if leads_on else ["web01", "db01"])


@pytest.mark.parametrize(
    ("rule", "view"),
    [
        ({"kind": "ghost", "word": "ghost.example.com"}, ["web01", "db01", "ghost"]),
        ({"kind": "duplicate"}, ["web01", "web01", "db01", "db01"]),
    ],
    ids=["ghost", "duplicate"],
)
async def test_lists_show_more_than_there_is(rule: dict[str, object], view: list[str]) -> None:
    """The total agrees with the list; a server that does not exist cannot be read."""
    async with bench(LIVE) as sim:
        await sim.fault(match={"operation": "list"}, **rule)
        body = await read(sim)
        assert [server["hostname"].partition(".")[0] for server in body["instances"]] == view
        assert body["total"] == len(view)
        codes = {(await sim.api.get(f"/v1/vps/{server['id']}")).status_code for server in body["instances"]}
        assert codes == ({200, 404} if "ghost" in view else {200})


async def test_orders_and_addresses_change_from_look_to_look() -> None:
    """The same servers, never the same sight."""
    async with bench(SimulatorConfig(speed=1, dialect="live", fleet=30)) as sim:
        await sim.fault(kind="shuffle")
        await sim.fault(kind="readdress")
        sights = [(await read(sim))["instances"] for _ in range(2)]
    ids = [[server["id"] for server in sight] for sight in sights]
    assert ids[0] != ids[1]
    assert sorted(ids[0]) == sorted(ids[1])
    assert len({server["ipv4_address"] for sight in sights for server in sight if server["ipv4_address"]}) == 2


async def test_another_server_answers() -> None:
    """For a read its body, for a write its names; `word` is an id that is nowhere."""
    async with bench(LIVE) as sim:
        await sim.fault(kind="wrong_server")
        assert (await read(sim, ONE))["hostname"] == "db01.example.com"
        assert (await read(sim, f"/v1/vps/{DB}/status"))["cpu_usage"] != (await read(sim, STATUS))["cpu_usage"]
        assert (await sim.api.post(f"{ONE}/stop")).json()["vps_id"] == DB
        assert (await sim.order()).json()["id"] == WEB
        assert len(await read(sim, "/v1/vps/plans/")) == 3
        assert await sim.effects() == {"stop": 1, "create": 1}
        sim.simulator.faults.clear()
        await sim.fault(kind="wrong_server", word="order-1")
        assert (await sim.order()).json()["id"] == "order-1"


async def test_prices_and_currencies_change_between_two_looks() -> None:
    """`after` lets the first read pass."""
    async with bench(LIVE) as sim:
        await sim.fault(kind="reprice", match={"operation": "plans"}, after=1, factor=1.5, currency="EUR")
        seen = [(await read(sim, "/v1/vps/plans/"))[0] for _ in range(2)]
    assert [(plan["price"], plan["monthly_price"], plan["currency"]) for plan in seen] == [
        (99.0, 99.0, "NOK"),
        (148.5, 148.5, "EUR"),
    ]


async def test_words_uptimes_and_clocks_are_what_a_rule_says() -> None:
    """A status of another word, an uptime of another node, a date of another clock."""
    async with bench(LIVE) as sim:
        before = (await read(sim, STATUS))["uptime_seconds"]
        for rule in (
            {"kind": "word", "word": "failed"},
            {"kind": "uptime", "seconds": 6},
            {"kind": "skew", "seconds": -60},
        ):
            await sim.fault(**rule)
        answer = await sim.api.get(ONE)
        assert answer.json()["status"] == "failed"
        assert answer.json()["created_at"] == "2024-02-15T14:29:00Z"
        assert (sim.clock.now() - parsedate_to_datetime(answer.headers["date"])).total_seconds() == 60
        assert (await read(sim, STATUS))["uptime_seconds"] == before - 6


async def test_every_answer_has_the_simulators_date() -> None:
    """Not the machine's: clients measure it against their own clock."""
    async with bench(LIVE) as sim:
        sim.clock.advance(3600)
        for path in (LIST, "/v1/vps/none", "/nowhere"):
            date = parsedate_to_datetime((await sim.api.get(path)).headers["date"])
            assert date == sim.clock.now().replace(microsecond=0)


ENCODINGS = ["gzip", "members", "twice", "br", "bom", "latin-1", "utf-16", "nan"]


@pytest.mark.parametrize("form", ENCODINGS)
async def test_bodies_come_in_another_encoding(form: str) -> None:
    """Each has the encoding of its name; the content itself stays."""
    async with bench(LIVE) as sim:
        await sim.fault(kind="encode", form=form)
        async with sim.api.stream("GET", ONE) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
    coding = answer.headers.get("content-encoding", "")
    assert coding == {"gzip": "gzip", "members": "gzip", "twice": "gzip, gzip", "br": "br"}.get(form, "")
    for _ in range(coding.count("gzip")):
        raw = gzip.decompress(raw)
    text = raw.decode({"bom": "utf-8-sig", "latin-1": "latin-1", "utf-16": "utf-16"}.get(form, "utf-8"))
    assert json.loads(text)["hostname"] == "web01.example.com"
    assert ("NaN" in text) == (form == "nan")


async def test_a_proxy_repeats_and_every_repetition_is_counted() -> None:
    """Two servers for one order; a second stop has no effect and is refused."""
    async with bench(LIVE) as sim:
        await sim.fault(kind="repeat")
        assert (await sim.order()).status_code == 201
        assert (await sim.api.post(f"{ONE}/stop")).status_code == 409
        assert await sim.effects() == {"create": 2, "stop": 1}
        assert len(await names(sim)) == 4


@pytest.mark.parametrize(
    ("form", "hostname"), [("lower", "new.example.com"), ("upper", "NEW.EXAMPLE.COM."), ("short", "New")]
)
async def test_hostnames_are_normalised(form: str, hostname: str) -> None:
    """The create answer and every read have the provider's spelling."""
    async with bench(LIVE) as sim:
        await sim.fault(kind="normalise", form=form)
        made = (await sim.order("New.Example.com")).json()
        assert (made["hostname"], (await read(sim, f"/v1/vps/{made['id']}"))["hostname"]) == (hostname, hostname)


@pytest.mark.parametrize("operation", ["start", "reboot"])
async def test_a_boot_fails(operation: str) -> None:
    """It begins like any other, and ends in `error`."""
    async with bench(LIVE) as sim:
        await sim.fault(kind="fail_boot")
        if operation == "start":
            await sim.api.post(f"/_sim/servers/{WEB}", json={"status": "stopped"})
        assert (await sim.api.post(f"{ONE}/{operation}")).status_code == 200
        assert (await read(sim, ONE))["status"] in ("starting", "active")
        sim.clock.advance(200)
        assert (await read(sim, ONE))["status"] == "error"


REDIRECTS = [
    ("slash", "http://simulator/v1/vps/"),
    ("http", "http://simulator/v1/vps/"),
    ("host", "http://vps-api.internal.invalid:8000/v1/vps/"),
    ("self", "http://simulator/v1/vps"),
    ("loop", "http://simulator/v1/vps?hop=1"),
    ("elsewhere", "http://elsewhere.invalid/v1/vps"),
]


@pytest.mark.parametrize(("to", "location"), REDIRECTS)
async def test_a_redirect_leads_where_it_says(to: str, location: str) -> None:
    """With any 3xx; the effect happens first where the rule sets that."""
    async with bench(LIVE) as sim:
        await sim.fault(kind="redirect", status=301, to=to, after_effect=True)
        body = {
            "hostname": "new.example.com",
            "plan_code": "vps-4gb-2cpu",
            "region": "oslo",
            "os_template": "debian-12",
        }
        answer = await sim.api.post("/v1/vps", json=body, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (301, location)
        assert await sim.effects() == {"create": 1}


async def test_a_rule_is_about_a_place_or_a_plan() -> None:
    """Out of stock for one plan in one place; another place is served; a region can be down for reads."""
    async with bench(LIVE) as sim:
        await sim.fault(kind="status", status=409, detail="Out of stock", match={"region": "NO", "plan": "vps-4gb*"})
        refused = await sim.order()
        assert (refused.status_code, refused.json()) == (409, {"detail": "Out of stock"})
        assert (await sim.order(region="stockholm")).status_code == 201
        assert (await sim.order(plan_code="vps-8gb-4cpu")).status_code == 201
        assert (await sim.api.get(ONE)).status_code == 409


async def test_a_window_begins_and_ends() -> None:
    """In the world's seconds since the rule was put in force."""
    async with bench(LIVE) as sim:
        sim.clock.advance(1000)
        await sim.fault(kind="status", begins=10, ends=20, body="<h1>Maintenance</h1>", content_type="text/html")
        codes = []
        for _ in range(3):
            codes.append((await sim.api.get(LIST)).status_code)
            sim.clock.advance(10)
    assert codes == [200, 503, 200]
