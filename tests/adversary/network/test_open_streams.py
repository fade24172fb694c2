"""What a token opened ends with it: streams of news, and calls that wait, of both eras."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from tests.adversary.network.token_service import token_service
from tests.harness.patience import eventually
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.http_harness import ACCEPT, NEW, call
from vpsops.core.app import Core
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.accounts import AccountAnswer, Names
from vpsops.mcp_server.auth.issuer import KeysUnavailableError, TokenNotAcceptedError
from vpsops.mcp_server.auth.open_requests import OpenRequests
from vpsops.mcp_server.auth.static_tokens import digest_of
from vpsops.mcp_server.http.app import McpHttp

TOKENS = {"bob": "bob-" + "b" * 40, "carol": "carol-" + "c" * 40}
WRITTEN = "".join(
    f'[[token]]\nsha256 = "{digest_of(token)}"\nsubject = "{name}"\nslack_user = "U0{name.upper()}"\n'
    'scopes = ["vps:write"]\n'
    for name, token in TOKENS.items()
)
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
LISTEN = call("subscriptions/listen", notifications={"resourceSubscriptions": ["vps://servers"]})
STOP = call("tools/call", name="vps_stop", arguments={"server": "web01"})
Ended = dict[str, float]


@dataclass
class StreamDirectory:
    """Slack, as the bot asks it: every person has an account until it is closed."""

    closed: set[str] = field(default_factory=set)

    async def find(self, names: Names) -> AccountAnswer:
        """Return the account of a name, or why it has none."""
        account = names[0].removeprefix("slack:")
        return (
            AccountAnswer(problem="that account is deactivated") if account in self.closed else AccountAnswer(account)
        )


@dataclass
class StreamDoor:
    """A server for two tokens of two people."""

    core: Core
    url: str
    http: McpHttp
    directory: StreamDirectory
    folder: Path


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[StreamDoor]:
    """Serve MCP over HTTP, with an approval channel for what its callers ask."""
    directory = StreamDirectory()
    async with token_service(folder, WRITTEN, directory) as (core, url, http):
        yield StreamDoor(core, url, http, directory, folder)


async def follow(url: str, name: str, what: str, ended: Ended, core: Core) -> None:
    """Open a request as a named person and read it to its end, recording when it ended."""
    headers = {"Authorization": f"Bearer {TOKENS[name]}"}
    async with httpx.AsyncClient(trust_env=False, timeout=None, headers=headers) as http:  # noqa: S113 - it is open
        method, sent, body = await _request(http, url, what)
        async with http.stream(method, url, headers=sent, json=body) as answer:
            assert answer.status_code == 200
            async for _ in answer.aiter_raw():
                pass
    ended[f"{name} {what}"] = core.clock.monotonic()


async def _request(http: httpx.AsyncClient, url: str, what: str) -> tuple[str, dict[str, str], object]:
    if what == "listen":
        return "POST", {**NEW, "Mcp-Method": "subscriptions/listen"}, LISTEN
    if what == "call":
        return "POST", {**NEW, "Mcp-Method": "tools/call", "Mcp-Name": "vps_stop"}, STOP
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    opened = await http.post(url, json=hello, headers=ACCEPT)
    session = {**ACCEPT, "Mcp-Session-Id": opened.headers["mcp-session-id"], "Mcp-Protocol-Version": "2025-11-25"}
    await http.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=session)
    return "GET", session, None


def close_account(door: StreamDoor) -> None:
    """End Bob's account in Slack."""
    door.directory.closed.add("U0BOB")


def take_back(door: StreamDoor) -> None:
    """Take Bob's token out of the file."""
    kept = WRITTEN.split("[[token]]")[2]
    (door.folder / "tokens.toml").write_text(f"[[token]]{kept}", encoding="utf-8")


@pytest.mark.requirement("streams-end-with-tokens")
@pytest.mark.parametrize("end", [close_account, pytest.param(take_back, marks=pytest.mark.slow)])
async def test_what_a_token_opened_ends_within_a_minute_of_it(
    tmp_path: Path, end: Callable[[StreamDoor], None]
) -> None:
    """Both kinds of stream and a call that waits for votes; the change and other people's streams continue."""
    ended: Ended = {}
    async with served(tmp_path) as door, anyio.create_task_group() as group:
        for name in TOKENS:
            for what in ("listen", "stream", *(["call"] if name == "bob" else [])):
                group.start_soon(follow, door.url, name, what, ended, door.core)
        await eventually(lambda: len(door.http.requests) == 5)
        began = door.core.clock.monotonic()
        end(door)
        await eventually(lambda: len(ended) == 3)
        assert sorted(ended) == ["bob call", "bob listen", "bob stream"]
        assert max(ended.values()) - began <= 60
        (change,) = await door.core.changes.list(scope=OPERATOR)
        assert change.state.open
        group.cancel_scope.cancel()


@pytest.mark.requirement("streams-end-with-tokens")
@pytest.mark.parametrize("refusal", [TokenNotAcceptedError("it was taken back"), KeysUnavailableError("away"), None])
async def test_a_request_ends_in_good_order_or_goes_on(refusal: Exception | None) -> None:
    """A request without a started answer is answered 401; while the issuer cannot be asked nothing ends."""
    sent: list[Message] = []

    async def verify(_: str) -> None:
        if refusal is not None:
            raise refusal

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await anyio.sleep_forever()

    async def send(message: Message) -> None:
        sent.append(message)

    requests = OpenRequests(verify)
    async with anyio.create_task_group() as group:
        group.start_soon(requests.watch, VirtualClock())
        group.start_soon(requests.run, app, "token", {}, _nothing, send)
        await VirtualClock().sleep(60)
        assert len(requests) == (0 if isinstance(refusal, TokenNotAcceptedError) else 1)
        group.cancel_scope.cancel()
    assert [message.get("status") for message in sent] == (
        [401, None] if isinstance(refusal, TokenNotAcceptedError) else []
    )


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
