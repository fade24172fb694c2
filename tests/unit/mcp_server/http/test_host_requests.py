"""Requests of hosts as reports have them, sent raw in the handshake's era: each is answered, and the session lives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest

from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.tls import NO_TLS
from tests.unit.mcp_server.http_harness import ACCEPT, serving
from vpsops.core.app import Core

Json = dict[str, Any]
HANDSHAKES: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
VERSION: Final = "Mcp-Protocol-Version"
LIST: Final[Json] = {"jsonrpc": "2.0", "id": 7, "method": "tools/list"}
PING: Final[Json] = {"jsonrpc": "2.0", "id": 8, "method": "ping"}
CANCEL: Final[Json] = {"jsonrpc": "2.0", "method": "notifications/cancelled"}


def hello(version: str = "2025-11-25") -> Json:
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}


@dataclass
class RawSession:
    """A raw session; `initialized` is sent only where a test says so."""

    http: httpx.AsyncClient
    url: str
    headers: dict[str, str]

    async def send(self, message: Any, **headers: str) -> httpx.Response:
        """Post a message; a header without a value is left out."""
        sent = {name: value for name, value in {**self.headers, **headers}.items() if value}
        return await self.http.post(self.url, json=message, headers=sent)


@asynccontextmanager
async def session_of(core: Core, version: str = "2025-11-25", *, initialized: bool = True) -> AsyncIterator[RawSession]:
    """Begin a session."""
    async with (
        serving(core) as (site, _),
        httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=PATIENCE_SECONDS) as http,
    ):
        answer = await http.post(site.url, json=hello(version), headers=ACCEPT)
        assert answer.status_code == 200
        session = RawSession(http, site.url, {**ACCEPT, "Mcp-Session-Id": answer.headers["mcp-session-id"]})
        if initialized:
            await session.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        yield session


async def lives(session: RawSession) -> bool:
    """Return whether the session still lists its tools."""
    answer = await session.send(LIST)
    return answer.status_code == 200 and '"vps_list"' in answer.text


@pytest.mark.parametrize("version", HANDSHAKES)
async def test_a_ping_is_answered_before_and_after_the_handshake(core: Core, version: str) -> None:
    """python-sdk#1311, and hosts that never send `initialized`."""
    async with session_of(core, version, initialized=False) as session:
        assert '"result":{}' in (await session.send(PING)).text
        await session.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert '"result":{}' in (await session.send(PING)).text


@pytest.mark.parametrize("version", HANDSHAKES)
async def test_the_version_header_may_be_absent_and_is_known_where_it_is_there(core: Core, version: str) -> None:
    """An unknown one is refused, and the session continues."""
    async with session_of(core, version) as session:
        assert (await session.send(PING, **{VERSION: ""})).status_code == 200
        assert (await session.send(PING, **{VERSION: version})).status_code == 200
        for unknown in ("1999-01-01", "garbage", "2099-01-01"):
            assert (await session.send(PING, **{VERSION: unknown})).status_code == 400
        assert await lives(session)


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("application/json;q=0.9, text/event-stream;q=0.1", 200),
        ("application/json, text/event-stream", 200),
        ("application/json", 406),
        ("text/event-stream", 406),
        ("text/html", 406),
    ],
)
async def test_both_kinds_of_answer_are_accepted_or_the_request_is_refused(
    core: Core, accept: str, status: int
) -> None:
    async with session_of(core) as session:
        assert (await session.send(PING, Accept=accept)).status_code == status
        assert await lives(session)


@pytest.mark.parametrize("method", ["logging/setLevel", "sampling/createMessage", "nonsense", "tools/", ""])
async def test_a_method_that_is_not_served_is_not_found(core: Core, method: str) -> None:
    """Logging is not declared, and the answer bears the id."""
    async with session_of(core) as session:
        answer = await session.send({"jsonrpc": "2.0", "id": 9, "method": method, "params": {"level": "info"}})
        assert '"id":9' in answer.text
        assert "-32601" in answer.text
        assert await lives(session)


@pytest.mark.parametrize("params", [None, {}, {"requestId": 999}, {"requestId": "never"}, {"requestId": None}])
async def test_a_cancellation_of_nothing_ends_nothing(core: Core, params: Any) -> None:
    """python-sdk#1152, python-sdk#2416, mcp-gsuite#21, codex#20925."""
    async with session_of(core) as session:
        message = CANCEL if params is None else {**CANCEL, "params": params}
        assert (await session.send(message)).status_code < 500
        assert await lives(session)


async def test_an_id_may_come_again_and_a_handshake_too(core: Core) -> None:
    """Hosts that begin to count again after a reconnection."""
    async with session_of(core) as session:
        for _ in range(3):
            assert '"id":7' in (await session.send(LIST)).text
        assert (await session.send(hello())).status_code < 500
        assert await lives(session)


async def test_a_session_that_was_deleted_is_not_found(core: Core) -> None:
    async with session_of(core) as session:
        assert (await session.http.delete(session.url, headers=session.headers)).status_code == 200
        assert (await session.send(LIST)).status_code == 404


async def test_names_of_tools_fit_every_host(core: Core) -> None:
    """The strictest hosts take 64 characters of `[a-zA-Z0-9_-]`, with a prefix of their own before them."""
    async with session_of(core) as session:
        text = (await session.send(LIST)).text
        body = text.split("data: ", 1)[1] if "data: " in text else text
        tools = httpx.Response(200, text=body.strip()).json()["result"]["tools"]
    assert all(len(tool["name"]) <= 24 and tool["name"].replace("_", "").islower() for tool in tools)
