"""MCP over Streamable HTTP: both eras on one address, its checks, its end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.internals import database_of
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.harness import ANN, Human, text
from tests.unit.mcp_server.http_harness import ACCEPT, ENVELOPE, NEW, call, http_client, post, serving
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import State, Verdict
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.server.http_server import base_of, listen, serve
from vpsops.mcp_server.auth.scope_challenge import MAX_BODY
from vpsops.mcp_server.http.app import normalize_headers, open_mcp
from vpsops.mcp_server.http.config import http_config_from
from vpsops.mcp_server.server import ServerOptions
from vpsops.playground.wayscloud.serve import SimulatorHandle

CHANNEL = "C0APPROVE"
BOB = Actor(ActorKind.PERSON, "U2", "bob", "U2", groups=(CHANNEL,))
LOCAL = ServerOptions(human=ANN, change_tools=True)
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}


def effects(provider: SimulatorHandle) -> dict[str, int]:
    return dict(provider.simulator.world.counts)


async def test_a_change_is_confirmed_over_http(core: Core, provider: SimulatorHandle, era: str) -> None:
    """A client lists, reads, and stops a server once after its human's yes, whichever era it speaks."""
    human = Human()
    async with serving(core, None, LOCAL) as (site, _), http_client(site.url, era, human=human) as client:
        assert client.protocol_version == ("2025-11-25" if era == "legacy" else era)
        assert len((await client.list_tools()).tools) == 15
        assert "web01" in text(await client.call_tool("vps_list", {}))
        result = await client.call_tool("vps_stop", {"server": "web01"})
    assert not result.is_error, text(result)
    assert len(human.questions) == 1
    assert effects(provider) == {"stop": 1}


@pytest.mark.requirement("mcp-both-eras")
async def test_clients_of_both_eras_are_served_at_once(core: Core, provider: SimulatorHandle) -> None:
    """Several sessions ask and answer at the same time, each its own question."""
    answer: dict[str, str] = {}

    async def stop(url: str, era: str, server: str) -> None:
        human = Human()
        async with http_client(url, era, human=human) as client:
            answer[server] = text(await client.call_tool("vps_stop", {"server": server}))
        assert human.questions[0].startswith(f"Stop {server}")

    async with serving(core, None, LOCAL) as (site, _), anyio.create_task_group() as group:
        group.start_soon(stop, site.url, "legacy", "web01.example.com")
        group.start_soon(stop, site.url, "2026-07-28", "db01.example.com")
    assert all("succeeded" in item for item in answer.values()), answer
    assert effects(provider) == {"stop": 2}


@pytest.mark.parametrize("approval_channel", [CHANNEL])
@pytest.mark.parametrize("verdict", [Verdict.APPROVE, Verdict.DENY])
async def test_a_waiting_call_hears_the_vote(core: Core, provider: SimulatorHandle, era: str, verdict: Verdict) -> None:
    """A call that waits for people ends with what they decided."""

    async def vote() -> None:
        with anyio.fail_after(PATIENCE_SECONDS):
            while not (changes := await core.changes.list(scope=OPERATOR)):
                await database_of(core).signals.wait(0.1)
        await core.gate.vote(changes[0].id, BOB, verdict, changes[0].digest, reason="not tonight", scope=OPERATOR)

    async with (
        serving(core, None, LOCAL) as (site, _),
        http_client(site.url, era) as client,
        anyio.create_task_group() as group,
    ):
        group.start_soon(vote)
        result = await client.call_tool("vps_stop", {"server": "web01"})
    assert ("succeeded" if verdict is Verdict.APPROVE else "was denied") in text(result)
    assert effects(provider) == ({"stop": 1} if verdict is Verdict.APPROVE else {})


async def test_who_asks_under_another_name_is_refused(core: Core) -> None:
    """Pages of other sites, other names for this machine, and what came through a proxy get no answer."""
    asked: list[tuple[dict[str, str], int]] = [
        ({}, 200),
        ({"Host": "evil.example.com"}, 421),
        ({"Host": "127.0.0.1.evil.example.com"}, 421),
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:6274"}, 200),
        ({"X-Forwarded-For": "203.0.113.9"}, 403),
        ({"Forwarded": "for=203.0.113.9"}, 403),
        ({"Content-Type": "text/plain"}, 400),
    ]
    async with serving(core) as (site, _), httpx.AsyncClient(trust_env=False) as client:
        for headers, status in asked:
            new = await post(site.url, call("tools/list"), **headers)
            old = await client.post(site.url, json=INITIALIZE, headers={**ACCEPT, **headers})
            assert (new.status_code, old.status_code) == (status, status), headers


async def test_a_body_is_bounded(core: Core) -> None:
    """A body over a megabyte is refused, whether its length is announced or found out."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 65_536 + 2):
            yield b"x" * 65_536

    async with serving(core) as (site, _), httpx.AsyncClient(trust_env=False) as client:
        headers = {**NEW, "Content-Type": "application/json"}
        announced = await client.post(site.url, content=b"x" * (MAX_BODY + 1), headers=headers)
        found_out = await client.post(site.url, content=pieces(), headers=headers)
    assert (announced.status_code, found_out.status_code) == (413, 413)


async def test_nothing_else_is_served(core: Core) -> None:
    """The health answers; other paths are not found, and a Host header never causes a redirect."""
    async with serving(core) as (site, _), httpx.AsyncClient(trust_env=False) as client:
        base = site.url.removesuffix("/mcp")
        health = await client.get(f"{base}/healthz")
        others = [(await client.get(f"{base}{path}")).status_code for path in ("/", "/mcp/x", "/.well-known/x")]
    assert (health.status_code, health.json()) == (200, {"ok": True})
    assert others == [404, 404, 404]


async def test_the_slash_and_the_case_of_a_name_change_nothing(core: Core) -> None:
    """People and hosts add a slash; hosts, origins and media types mean the same in any case."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": ENVELOPE}}
    async with serving(core) as (site, _), httpx.AsyncClient(trust_env=False) as client:
        port = site.url.split(":")[2].split("/")[0]
        headers = {**NEW, "Mcp-Method": "tools/list", "Content-Type": "APPLICATION/JSON; Charset=utf-8"}
        names = {"Host": f"LOCALHOST:{port}", "Origin": f"HTTP://LOCALHOST:{port}"}
        answers = [
            await client.post(address, json=body, headers=headers | names) for address in (site.url, f"{site.url}/")
        ]
        strange = await client.post(f"{site.url}/", json=body, headers=headers | {"Host": "evil.example"})
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    assert strange.status_code == 421


async def test_it_stands_beside_other_routes(core: Core) -> None:
    """Another application can serve the routes as well."""

    async def hello(_: object) -> PlainTextResponse:
        return PlainTextResponse("hello")

    sock = listen("127.0.0.1", 0)
    stop = anyio.Event()
    async with (
        open_mcp(core, http_config_from(core.settings, sock, core.clock)) as served,
        anyio.create_task_group() as group,
    ):
        app = Starlette(routes=[Route("/hello", hello), *served.routes])
        base = base_of(sock)
        group.start_soon(serve, app, sock, stop)
        answer = await post(f"{base}/mcp", call("tools/list"))
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{base}/hello")).text == "hello"
        stop.set()
    assert len(answer.json()["result"]["tools"]) == 15


@pytest.mark.parametrize("kept", [True, False], ids=["same key", "no key"])
async def test_a_question_outlives_a_restart_by_its_key(
    settings: Settings, provider: SimulatorHandle, kept: bool
) -> None:
    """With VPSOPS_STATE_KEY another process takes the answer to a question; without it the answer is refused."""
    chosen = settings.model_copy(
        update={"state_key": Settings.model_validate({"VPSOPS_STATE_KEY": "k" * 32}).state_key}
    )
    chosen = chosen if kept else settings
    first = call("tools/call", name="vps_stop", arguments={"server": "web01"})
    async with _process(chosen) as url:
        asked = (await post(url, first)).json()["result"]
    answered = call(
        "tools/call",
        name="vps_stop",
        arguments={"server": "web01"},
        inputResponses={"confirm": {"action": "accept", "content": {"confirm": True}}},
        requestState=asked["requestState"],
    )
    async with _process(chosen) as url:
        ended = (await post(url, answered)).json()
        again = (await post(url, answered)).json()
    assert ("result" in ended) is kept
    assert effects(provider) == ({"stop": 1} if kept else {})
    if kept:
        assert "changed nothing" in again["result"]["content"][0]["text"]


@asynccontextmanager
async def _process(settings: Settings) -> AsyncIterator[str]:
    async with (
        open_core(settings, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as core,
        serving(core, settings, LOCAL) as (site, _),
    ):
        yield site.url


async def test_a_stop_ends_streams_at_once(core: Core) -> None:
    """An open stream of news does not keep the server: it is ended in good order when the server stops."""
    ended = anyio.Event()

    async def stay(url: str, session: str, opened: anyio.Event) -> None:
        headers = {"Accept": "text/event-stream", "Mcp-Session-Id": session, "Mcp-Protocol-Version": "2025-11-25"}
        async with httpx.AsyncClient(trust_env=False) as client, client.stream("GET", url, headers=headers) as stream:
            assert stream.status_code == 200
            opened.set()
            async for _ in stream.aiter_bytes():
                pass
        ended.set()

    opened = anyio.Event()
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            async with serving(core) as (site, _):
                async with httpx.AsyncClient(trust_env=False) as client:
                    begun = await client.post(site.url, json=INITIALIZE, headers=ACCEPT)
                group.start_soon(stay, site.url, begun.headers["mcp-session-id"], opened)
                await opened.wait()
            await ended.wait()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"VPSOPS_HTTP_HOSTS": "vpsops.example.com"}, "cannot answer to vpsops.example.com"),
        ({"VPSOPS_HTTP_URL": "https://vpsops.example.com/mcp"}, "cannot answer to vpsops.example.com"),
        ({"VPSOPS_HTTP_URL": "http://vpsops.example.com/mcp"}, "must be an https:// address"),
        ({"VPSOPS_OAUTH_ISSUER": "http://issuer.example.com"}, "must be an https:// address"),
        ({"VPSOPS_OAUTH_ISSUER": "https://issuer.example.com?x=1"}, "without ? or #"),
        ({"VPSOPS_STATE_KEY": "short"}, "VPSOPS_STATE_KEY needs 32 characters"),
        ({"VPSOPS_STATE_KEY": "k" * 32 + ",short"}, "VPSOPS_STATE_KEY needs 32 characters"),
    ],
)
async def test_settings_that_do_not_fit_are_told(core: Core, values: dict[str, str], words: str) -> None:
    """A configuration that would admit every caller, or that cannot work, ends the start."""
    with listen("127.0.0.1", 0) as sock, pytest.raises(ConfigurationError, match=words.replace("?", r"\?")):
        http_config_from(Settings.model_validate(values), sock, core.clock)


@pytest.mark.requirement("mcp-open-needs-tokens")
async def test_an_open_address_needs_authentication(core: Core, settings: Settings) -> None:
    """Beyond loopback nothing is served without authentication; with an issuer the public address must be known."""
    with listen("0.0.0.0", 0) as sock:
        with pytest.raises(ConfigurationError, match=r"cannot listen on 0\.0\.0\.0"):
            http_config_from(settings, sock, core.clock)
        issuer = settings.model_copy(update={"oauth_issuer": "https://issuer.example.com"})
        with pytest.raises(ConfigurationError, match="the address that tokens are for"):
            http_config_from(issuer, sock, core.clock)
        public = issuer.model_copy(update={"http_url": "https://vpsops.example.com/mcp"})
        site = http_config_from(public, sock, core.clock)
    assert site.access.trust is not None
    assert site.access.trust.audience == "https://vpsops.example.com/mcp"
    assert {"vpsops.example.com", "vpsops.example.com:*", "localhost:*"} <= set(site.hosts)


async def test_a_session_that_ends_gives_its_hold_back(core: Core) -> None:
    """In the handshake era a question ends with its session, and its change releases the server."""
    asking: dict[str, Any] = {"elicitation": {}}
    begin = {**INITIALIZE, "params": {**INITIALIZE["params"], "capabilities": asking}}
    stop = {"jsonrpc": "2.0", "id": 2, "method": "tools/call"}
    async with serving(core, None, LOCAL) as (site, _), httpx.AsyncClient(trust_env=False) as client:
        begun = await client.post(site.url, json=begin, headers=ACCEPT)
        session = {**ACCEPT, "Mcp-Session-Id": begun.headers["mcp-session-id"], "Mcp-Protocol-Version": "2025-11-25"}
        initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await client.post(site.url, json=initialized, headers=session)).status_code == 202
        params = {"name": "vps_stop", "arguments": {"server": "web01"}}
        async with client.stream("POST", site.url, json={**stop, "params": params}, headers=session) as stream:
            with anyio.fail_after(PATIENCE_SECONDS):
                await anext(line async for line in stream.aiter_lines() if "elicitation/create" in line)
            (held,) = await core.changes.list(scope=OPERATOR)
            await client.delete(site.url, headers=session)
        with anyio.fail_after(PATIENCE_SECONDS):
            await core.changes.wait(held.id, seconds=5, scope=OPERATOR)
    assert held.state is State.HELD
    assert (await core.changes.get(held.id, scope=OPERATOR)).state is State.CANCELLED


def test_white_space_around_a_header_is_none_of_its_value() -> None:
    """Some parsers leave it (RFC 9110, 5.5), and a name must equal the body's."""
    headers = [(b"mcp-name", b"vps_list \t"), (b"accept", b"a, b")]
    assert normalize_headers({"type": "http", "headers": headers})["headers"] == [
        (b"mcp-name", b"vps_list"),
        (b"accept", b"a, b"),
    ]
