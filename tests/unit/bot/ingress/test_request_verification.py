"""Nothing that is not Slack's, fresh and well formed reaches Bolt, and no body is logged."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.fakes.clock import START, FakeClock
from tests.harness.profiles import examples
from vpsops.bot.ingress.request_verification import SlackRequestVerifier
from vpsops.bot.protocol.payloads import MAX_BYTES
from vpsops.playground.slack.workspace.protocol import signature

SECRET = "a-signing-secret"
FORM = "application/x-www-form-urlencoded"
COMMAND = {
    "command": "/vps",
    "user_id": "U0ALICE",
    "team_id": "T0ACME",
    "channel_id": "C0OPS",
    "trigger_id": "1.2.3",
    "text": "list",
}
CLICK = {"type": "block_actions", "user": {"id": "U0ALICE"}, "actions": [{"action_id": "a", "block_id": "b"}]}


@dataclass
class Behind:
    """The application behind the guard, and the requests that reached it."""

    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the body and accept the request."""
        self.bodies.append(await Request(scope, receive).body())
        await PlainTextResponse("through")(scope, receive, send)


def stamp() -> str:
    """Return the present time as Slack sends it."""
    return str(int(START.timestamp()))


def signed(body: bytes, timestamp: str | None = None, secret: str = SECRET) -> dict[str, str]:
    """Return headers that sign a body."""
    at = stamp() if timestamp is None else timestamp
    return {
        "Content-Type": FORM,
        "X-Slack-Request-Timestamp": at,
        "X-Slack-Signature": signature(secret, at, body),
    }


async def post(behind: Behind, body: bytes, headers: Mapping[str, str], method: str = "POST") -> httpx.Response:
    """Send something to a guard."""
    guard = SlackRequestVerifier(behind, SECRET, FakeClock())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://bot.test") as client:
        return await client.request(method, "/slack/events", content=body, headers=dict(headers))


def form(**fields: str) -> bytes:
    """Return a form."""
    return urlencode(fields).encode()


def payload(value: Any) -> bytes:
    """Return an interaction."""
    return form(payload=json.dumps(value))


GOOD = form(**COMMAND)
STALE = str(int(START.timestamp()) - 301)
FUTURE = str(int(START.timestamp()) + 301)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (signed(b"another body"), 401),
        (signed(GOOD, secret="another"), 401),
        (signed(GOOD, STALE), 401),
        (signed(GOOD, FUTURE), 401),
        (signed(GOOD, "soon"), 401),
        (signed(GOOD, ""), 401),
        (signed(GOOD, "-1"), 401),
        (signed(GOOD, "1e9"), 401),
        (signed(GOOD, f" {stamp()}"), 401),
        (signed(GOOD, "9" * 400), 401),
        (signed(GOOD, f"+{stamp()}"), 401),
        (signed(GOOD) | {"X-Slack-Signature": ""}, 401),
        (signed(GOOD) | {"X-Slack-Signature": "v0="}, 401),
        (signed(GOOD) | {"X-Slack-Signature": "v1=" + "0" * 64}, 401),
        ({name: value for name, value in signed(GOOD).items() if name != "X-Slack-Request-Timestamp"}, 401),
        ({"Content-Length": str(MAX_BYTES + 1)}, 413),
        ({"Content-Length": "many"}, 413),
    ],
)
@pytest.mark.requirement("slack-signed-only")
async def test_what_slack_did_not_sign_just_now_is_refused(headers: dict[str, str], status: int) -> None:
    """Bad, stale, missing or absurd signatures and sizes are answered with 4xx and go no further."""
    behind = Behind()
    answer = await post(behind, GOOD, {"Content-Type": FORM, **headers})
    assert answer.status_code == status
    assert behind.bodies == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"payload=%7Bnot+json",
        b"payload=",
        b"{",
        b"{]",
        b'{"type":' + b"[" * 100_000,
        b"payload=%5B%5D",
        b"payload=3",
        payload({"type": "block_actions"}),
        payload({"type": "block_actions", "user": "U0ALICE", "actions": []}),
        payload({"type": "block_actions", "user": {"id": "U0ALICE"}, "actions": [None]}),
        payload({"type": "block_actions", "user": {"id": "U0ALICE"}, "actions": {"action_id": "a"}}),
        payload({"type": "view_submission", "user": {"id": "U0ALICE"}}),
        payload({"type": "view_submission", "user": {"id": "U0ALICE"}, "view": {"state": []}}),
        payload({"type": None}),
        payload({"type": ["block_actions"]}),
        payload({}),
        b'{"type":"event_callback","event":"x"}',
        form(command="/vps"),
        form(command="/vps", user_id="", team_id="", channel_id="", trigger_id=""),
        form(**{f"f{n}": "x" for n in range(200)}),
        form(text="list"),
    ],
)
async def test_what_is_signed_and_malformed_is_refused(body: bytes) -> None:
    """A signature does not make a malformed body Slack's: 400, and Bolt never sees it."""
    behind = Behind()
    headers = signed(body) if _is_text(body) else {**signed(b""), "X-Slack-Signature": "v0=" + "0" * 64}
    assert (await post(behind, body, headers)).status_code in {400, 401}
    assert behind.bodies == []


@pytest.mark.parametrize("body", [GOOD, payload(CLICK), b'{"type":"url_verification","challenge":"c","token":"t"}'])
async def test_what_slack_sends_goes_through_unaltered(body: bytes) -> None:
    """Commands, clicks and events reach Bolt byte for byte."""
    behind = Behind()
    headers = signed(body) | ({"Content-Type": "application/json"} if body.startswith(b"{") else {})
    assert (await post(behind, body, headers)).text == "through"
    assert behind.bodies == [body]


async def test_the_look_at_the_certificate_is_answered_and_does_nothing() -> None:
    """Slack's unsigned ssl_check gets its 200 without reaching Bolt."""
    behind = Behind()
    assert (await post(behind, b"token=t&ssl_check=1", {"Content-Type": FORM})).status_code == 200
    assert behind.bodies == []


@pytest.mark.parametrize("body", [b"token=t&ssl_check=1", b"ssl_check=1", GOOD + b"&ssl_check=1"])
async def test_a_signed_certificate_check_is_answered_and_does_nothing(body: bytes) -> None:
    """Slack may sign it; a command beside the flag is no way to have it run."""
    behind = Behind()
    assert (await post(behind, body, signed(body))).status_code == 200
    assert behind.bodies == []


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("HEAD", 200), ("PUT", 405), ("DELETE", 405)])
async def test_only_posts_are_taken(method: str, status: int) -> None:
    """Slack's GET of the address is answered without effect; any other method is 405 and names those taken."""
    behind = Behind()
    answer = await post(behind, GOOD, signed(GOOD), method)
    assert (answer.status_code, answer.headers.get("allow", "")) == (status, "" if status == 200 else "GET, HEAD, POST")
    assert behind.bodies == []


async def test_a_body_that_grows_over_the_limit_is_cut_off() -> None:
    """A body of unknown length is read no further than the limit."""
    behind = Behind()
    guard = SlackRequestVerifier(behind, SECRET, FakeClock())

    async def endless() -> Any:
        while True:
            yield b"x" * 65536

    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://bot.test") as client:
        assert (await client.post("/slack/events", content=endless())).status_code == 413
    assert behind.bodies == []


async def test_a_repeated_signature_header_is_none() -> None:
    """Two signatures are no valid signature."""
    guard = SlackRequestVerifier(Behind(), SECRET, FakeClock())
    headers = [*signed(GOOD).items(), ("X-Slack-Signature", "v0=" + "0" * 64)]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://bot.test") as client:
        assert (await client.post("/slack/events", content=GOOD, headers=headers)).status_code == 401


async def test_no_body_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is refused leaves no trace of its content in the log."""
    caplog.set_level(logging.DEBUG)
    body = b"payload=%7Bhunter2"
    await post(Behind(), body, signed(body))
    await post(Behind(), b"hunter2", {})
    assert "hunter2" not in caplog.text


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=30))
async def test_no_bytes_from_strangers_break_the_guard(body: bytes, header: str) -> None:
    """Any body with any header value is answered with 4xx."""
    behind = Behind()
    guard = SlackRequestVerifier(behind, SECRET, FakeClock())
    raw = [
        (b"X-Slack-Request-Timestamp", header.strip().encode("latin-1")),
        (b"X-Slack-Signature", header.strip().encode("latin-1")),
    ]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://bot.test") as client:
        answer = await client.post("/slack/events", content=body, headers=raw)
    assert 400 <= answer.status_code < 500
    assert behind.bodies == []


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
