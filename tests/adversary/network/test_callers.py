"""One caller that takes all it can get: it takes it from itself, and the others are served."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.storage.databases import migrated
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.tls import NO_TLS
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.http_harness import (
    ACCEPT,
    ANN_TOKEN,
    BOB_TOKEN,
    ENVELOPE,
    NEW,
    call,
    post,
    serving,
    with_tokens,
)
from vpsops.core.app import Core, open_core
from vpsops.core.config.settings import Settings
from vpsops.core.server.connection_limits import CONNECTIONS, RESERVED_FILES, connections_for
from vpsops.mcp_server.http import session_limits
from vpsops.mcp_server.http.app import MAX_SESSIONS
from vpsops.mcp_server.http.session_limits import REQUESTS_EACH, SESSIONS_EACH
from vpsops.mcp_server.resources.subscriptions import MAX_STREAMS, MAX_STREAMS_EACH

BOUND = PATIENCE_SECONDS
CLIENT = {"name": "raw", "version": "1"}
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT},
}
PING = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
LISTEN = {
    "jsonrpc": "2.0",
    "id": 3,
    "method": "subscriptions/listen",
    "params": {"notifications": {"toolsListChanged": True}, "_meta": ENVELOPE},
}


class HttpCaller:
    """A client of the handshake's era, as raw requests."""

    def __init__(self, url: str, token: str, http: httpx.AsyncClient) -> None:
        self._url = url
        self._http = http
        self._headers = {**ACCEPT, "Authorization": f"Bearer {token}"}

    async def begin(self) -> httpx.Response:
        """Open a session."""
        return await self._http.post(self._url, json=INITIALIZE, headers=self._headers)

    async def ping(self, session: str) -> int:
        """Use a session; 404 where it is gone."""
        headers = {**self._headers, "Mcp-Session-Id": session, "Mcp-Protocol-Version": "2025-11-25"}
        return (await self._http.post(self._url, json=PING, headers=headers)).status_code

    async def stay(self, stack: AsyncExitStack, session: str) -> None:
        """Keep a stream of a session open."""
        headers = {**self._headers, "Mcp-Session-Id": session, "Mcp-Protocol-Version": "2025-11-25"}
        stream = await stack.enter_async_context(self._http.stream("GET", self._url, headers=headers))
        assert stream.status_code == 200

    async def end(self, session: str) -> int:
        """End a session."""
        headers = {**self._headers, "Mcp-Session-Id": session, "Mcp-Protocol-Version": "2025-11-25"}
        return (await self._http.delete(self._url, headers=headers)).status_code


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": migrated(tmp_path / "vpsops.sqlite3")})
    async with open_core(
        with_tokens(settings, tmp_path), front="mcp", clock=VirtualClock(), accounts=EVERYBODY
    ) as opened:
        yield opened


@pytest.mark.requirement("mcp-callers-bounded")
async def test_a_greedy_caller_loses_its_own_sessions(core: Core) -> None:
    """Of more sessions than it may have, the longest unused are gone; another caller's stays, and it may open more."""
    async with (
        serving(core, core.settings) as (site, _),
        httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=BOUND) as http,
    ):
        greedy, other = HttpCaller(site.url, ANN_TOKEN, http), HttpCaller(site.url, BOB_TOKEN, http)
        kept = (await other.begin()).headers["mcp-session-id"]
        opened = [(await greedy.begin()).headers["mcp-session-id"]]
        for _ in range(SESSIONS_EACH + 9):
            opened.append((await greedy.begin()).headers["mcp-session-id"])
            assert await greedy.ping(opened[0]) == 200  # it is used, so it is not the one to go
        assert [await greedy.ping(session) for session in (opened[0], opened[1], opened[9], opened[-1])] == [
            *(200, 404, 404),
            200,
        ]
        assert sum([await greedy.ping(session) == 200 for session in opened]) == SESSIONS_EACH
        assert await other.ping(kept) == 200
        assert (await other.begin()).status_code == 200


@pytest.mark.requirement("mcp-callers-bounded")
async def test_sessions_in_use_are_not_taken_away(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all of a caller's are in use it gets no more, and another caller does; one that ends makes room."""
    monkeypatch.setattr(session_limits, "SESSIONS_EACH", 3)
    async with (
        serving(core, core.settings) as (site, _),
        httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=BOUND) as http,
        AsyncExitStack() as stack,
    ):
        greedy, other = HttpCaller(site.url, ANN_TOKEN, http), HttpCaller(site.url, BOB_TOKEN, http)
        opened = [(await greedy.begin()).headers["mcp-session-id"] for _ in range(3)]
        for session in opened:
            await greedy.stay(stack, session)
        refused = await greedy.begin()
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert "All 3 sessions of this caller" in refused.json()["error"]["message"]
        assert (await other.begin()).status_code == 200
        assert await greedy.end(opened[0]) == 200
        assert (await greedy.begin()).status_code == 200
        assert (await greedy.begin()).status_code == 200  # in place of the one before, which is not in use


@pytest.mark.requirement("mcp-callers-bounded")
async def test_a_caller_has_so_many_requests_at_once(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is answered 429 and what to do; another caller is served meanwhile, and it is again afterwards."""
    monkeypatch.setattr(session_limits, "REQUESTS_EACH", 4)
    headers = {**NEW, "Mcp-Method": "subscriptions/listen", "Authorization": f"Bearer {ANN_TOKEN}"}
    async with (
        serving(core, core.settings) as (site, _),
        httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=BOUND) as http,
    ):
        async with AsyncExitStack() as stack:
            streams = []  # what is not held is closed
            for _ in range(4):
                stream = await stack.enter_async_context(http.stream("POST", site.url, json=LISTEN, headers=headers))
                with anyio.fail_after(BOUND):
                    await anext(lines := stream.aiter_lines())
                streams.append(lines)
            refused = await post(site.url, call("tools/list"), ANN_TOKEN)
            assert refused.status_code == 429
            assert "More than 4 requests at once" in refused.json()["error"]["message"]
            assert (await post(site.url, call("tools/list"), BOB_TOKEN)).status_code == 200
        with anyio.fail_after(BOUND):
            while (await post(site.url, call("tools/list"), ANN_TOKEN)).status_code != 200:
                await anyio.lowlevel.checkpoint()


def test_the_bounds_of_a_caller_leave_room_for_others() -> None:
    """A caller's streams are within its requests, and all it may have at once is a part of what there is."""
    assert MAX_STREAMS_EACH < REQUESTS_EACH
    assert MAX_STREAMS_EACH * 2 <= MAX_STREAMS
    assert SESSIONS_EACH * 2 <= MAX_SESSIONS
    assert REQUESTS_EACH * 3 <= connections_for(1_024) < CONNECTIONS
    assert connections_for(1_024) > MAX_STREAMS
    assert connections_for(1_024) > RESERVED_FILES
