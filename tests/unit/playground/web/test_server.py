"""The page's server: its access checks, the effects of the levers, and the events for open pages."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.harness.tls import NO_TLS
from tests.harness.virtual_time import VirtualClock
from vpsops.playground.wayscloud.serve import listen
from vpsops.playground.web.asgi_server import served
from vpsops.playground.web.events.change_notifier import Bell
from vpsops.playground.web.events.sse import Feed
from vpsops.playground.web.provider import TROUBLES
from vpsops.playground.web.runtime import Ground, RuntimeOptions, running_ground


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[Ground]:
    async with running_ground(RuntimeOptions(speed=60), VirtualClock()) as started:
        with listen(0) as listener:
            async with served(started, listener):
                yield started


@pytest.fixture
def ground(running: Ground) -> Ground:
    running.provider.simulator.reset()
    return running


@pytest.fixture
async def http(ground: Ground) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=ground.url, verify=NO_TLS) as client:
        yield client


async def test_the_page_trusts_nothing_but_itself(http: httpx.AsyncClient) -> None:
    """Its own headers keep scripts, styles and connections from elsewhere out, and other pages from framing it."""
    answer = await http.get("/")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:80"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"content-type": "text/plain"},
    ],
)
async def test_another_page_cannot_give_orders(
    http: httpx.AsyncClient, ground: Ground, headers: dict[str, str]
) -> None:
    """Neither by a name that leads here, nor from its own origin, nor with a form's content type."""
    sent = {"content-type": "application/json", **headers}
    answer = await http.post("/api/provider/cause", content='{"trouble": "down"}', headers=sent)
    assert answer.status_code == 403
    assert not ground.provider.simulator.faults.armed


async def test_another_name_cannot_read_the_page_either(http: httpx.AsyncClient) -> None:
    """A rebound name gets nothing."""
    assert (await http.get("/api/world", headers={"host": "evil.example"})).status_code == 403


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
async def test_every_trouble_arms_a_rule_and_calm_takes_it_away(
    http: httpx.AsyncClient, ground: Ground, trouble: str
) -> None:
    """The buttons' labels match what the simulator will do."""
    assert (await http.post("/api/provider/cause", json={"trouble": trouble})).json() == {"ok": True}
    [armed] = ground.provider.simulator.faults.armed
    assert armed.fault.kind == TROUBLES[trouble][1].kind
    await http.post("/api/provider/calm", json={})
    assert not ground.provider.simulator.faults.armed


async def test_a_power_operation_whose_answer_is_lost_is_not_a_create(ground: Ground) -> None:
    """The two rules about lost answers are about different requests."""
    paths = {name: rule.match for name, (_, rule) in TROUBLES.items() if name.startswith("drop")}
    assert paths["drop_create"].operation == "create"
    assert paths["drop_write"].path == "/v1/vps/*/*"
    assert ground.provider.simulator.world.servers()


async def test_a_server_is_changed_behind_everybodys_back(http: httpx.AsyncClient, ground: Ground) -> None:
    """A state is set, a server vanishes, and a missing one is reported."""
    await http.post("/api/provider/change", json={"server": "web01.example.com", "status": "stopped"})
    world = ground.provider.simulator.world
    assert world.find("web01.example.com").state == "stopped"  # type: ignore[union-attr]
    await http.post("/api/provider/change", json={"server": "web01.example.com", "vanish": True})
    assert world.find("web01.example.com") is None
    answer = await http.post("/api/provider/change", json={"server": "web01.example.com", "status": "stopped"})
    assert answer.status_code == 404


async def test_time_and_dialect_are_switched(http: httpx.AsyncClient, ground: Ground) -> None:
    """The speed survives a change of dialect, which restarts the world."""
    await http.post("/api/provider/speed", json={"speed": 10})
    await http.post("/api/provider/speak", json={"dialect": "terraform"})
    assert ground.provider.simulator.world.time.speed == 10
    assert ground.provider.simulator.dialect.name == "terraform"
    key = {"X-API-Key": "wayscloud_vps_any_NOT-A-REAL-SECRET"}
    async with httpx.AsyncClient(base_url=ground.provider.url, headers=key) as api:
        assert (await api.get("/v1/vps/")).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("provider/cause", {"trouble": "flood"}, 422),
        ("provider/speed", {"speed": 7}, 422),
        ("provider/unknown", {}, 404),
        ("slack/connect", {"request_url": "http://elsewhere.example"}, 403),
        ("slack/command", {"user": "U0ALICE"}, 422),
        ("slack/unknown", {}, 404),
        ("agent/call", {"tool": "vps_list"}, 503),
    ],
)
async def test_what_makes_no_sense_is_refused(http: httpx.AsyncClient, path: str, body: object, status: int) -> None:
    """Every refusal is JSON with a reason; a part that has not started yet is reported."""
    answer = await http.post(f"/api/{path}", json=body)
    assert answer.status_code == status
    assert answer.json()["ok"] is False
    assert answer.json()["error"]


async def test_the_world_is_told_without_its_secrets_guarding_anything(http: httpx.AsyncClient) -> None:
    """People, commands, and what to paste into a host, all of this machine."""
    world = (await http.get("/api/world")).json()
    assert [item["role"] for item in world["people"] if not item["bot"]] == [
        "on-call engineer",
        "second approver",
        "outsider",
    ]
    assert world["mcp"].startswith("http://127.0.0.1:")
    assert {item["host"] for item in world["hosts"]} >= {"VS Code", "Cursor", "Claude Desktop"}


async def test_a_stream_for_nobody_is_refused(http: httpx.AsyncClient) -> None:
    """A page belongs to one of the people."""
    assert (await http.get("/api/events", params={"user": "U0NOBODY"})).status_code == 422


async def test_a_page_is_told_only_what_is_different() -> None:
    """A topic that did not change is not sent again, and a closed feed ends its streams."""
    body = {"a": 1, "b": 1}
    feed = Feed(Bell(), VirtualClock())
    feed.topics |= {"a": lambda _user: {"is": body["a"]}, "b": lambda _user: {"is": body["b"]}}
    stream = feed.stream("U0ALICE")
    assert [await anext(stream), await anext(stream)] == [
        'event: a\ndata: {"is": 1}\n\n',
        'event: b\ndata: {"is": 1}\n\n',
    ]
    body["b"] = 2
    feed.bell.ring()
    assert await anext(stream) == 'event: b\ndata: {"is": 2}\n\n'
    feed.close()
    assert [rest async for rest in stream] == []
    assert feed.pages == 0
