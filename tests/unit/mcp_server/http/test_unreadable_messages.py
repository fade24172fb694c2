"""Bodies that are no message, over HTTP: each is answered under its id in plain words, as over standard streams."""

import json
from typing import Any

import pytest

from tests.unit.mcp_server.http.test_host_requests import PING, VERSION, RawSession, lives, session_of
from tests.unit.mcp_server.http_harness import ENVELOPE, NEW
from vpsops.core.app import Core
from vpsops.mcp_server.protocol.frames import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR

DEEP = "[" * 3_000 + "]" * 3_000
CALL = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"vps_list","arguments":%s}}'
PYTHON = ("pydantic", "JSONRPC", "union", "type=", "Input should", "_meta")


async def send_raw(session: RawSession, body: bytes, **headers: str) -> Any:
    """Post a body as it is."""
    sent = {**session.headers, "Content-Type": "application/json", **headers}
    return await session.http.post(session.url, content=body, headers=sent)


@pytest.mark.requirement("mcp-every-id-answered")
@pytest.mark.parametrize(
    ("body", "ident", "code"),
    [
        (CALL % '{"name":"a\\ud83d"}', 7, INVALID_PARAMS),
        ('{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}', 7, INVALID_PARAMS),
        ('{"id":7,"method":"ping"}', 7, INVALID_REQUEST),
        ('{"jsonrpc":"1.0","id":7,"method":"ping"}', 7, INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":"a\\ud83d","method":"ping"}', "a\ud83d", INVALID_PARAMS),
        ('{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 1.5, INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":1e3,"method":"ping"}', 1e3, INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":true,"method":"ping"}', True, INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":null,"method":"ping"}', None, INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":{},"method":"ping"}', None, INVALID_REQUEST),
        (CALL % DEEP, 7, INVALID_REQUEST),
        (CALL % ("9" * 5_000), 7, INVALID_REQUEST),
        (CALL % "NaN", 7, PARSE_ERROR),
        ('{"jsonrpc":"2.0","id":7,"method":"ping"', 7, PARSE_ERROR),
        ("hello", None, PARSE_ERROR),
        ("5", None, INVALID_REQUEST),
        ("[]", None, INVALID_REQUEST),
        ("", None, INVALID_REQUEST),
        ('{"jsonrpc":"2.0","method":"notifications/initialized","params":[]}', None, INVALID_REQUEST),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else None,
)
async def test_what_cannot_be_read_is_answered(core: Core, body: str, ident: object, code: int) -> None:
    """A request with an odd id was accepted as a notification, and its caller waited."""
    async with session_of(core) as session:
        answer = await send_raw(session, body.encode())
        assert answer.status_code == 400
        reply = answer.json()
        assert (reply["id"], type(reply["id"]), reply["error"]["code"]) == (ident, type(ident), code)
        assert len(reply["error"]["message"]) < 200
        assert not [word for word in (*PYTHON, "line") if word in reply["error"]["message"]]
        assert await lives(session)


@pytest.mark.requirement("mcp-every-id-answered")
async def test_a_batch_is_refused_by_each_id_in_it(core: Core) -> None:
    """As a batch of errors, which is what a client of 2025-03-26 waits for."""
    batch = [PING, {"jsonrpc": "2.0", "method": "notifications/initialized"}, {**PING, "id": "b"}]
    async with session_of(core, "2025-03-26") as session:
        answer = await session.send(batch)
        assert answer.status_code == 400
        assert [(item["id"], item["error"]["code"]) for item in answer.json()] == [
            (8, INVALID_REQUEST),
            ("b", INVALID_REQUEST),
        ]
        assert await lives(session)


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":8,"method":"ping"}',
        b'\r\n{\r\n"jsonrpc":"2.0",\n"id":8,"method":"ping"}\r\n',
        b'{"jsonrpc":"2.0","id":8,"method":"ping","params":{"a":"\xff\xfe"}}',
        b'{"jsonrpc":"2.0","id":8,"method":"ping","params":null}',
    ],
    ids=["bom", "lines", "no utf-8", "null"],
)
async def test_marks_lines_and_odd_bytes_cost_no_answer(core: Core, body: bytes) -> None:
    """A byte-order mark, a message over several lines, bytes of a code page, and null for no parameters."""
    async with session_of(core) as session:
        answer = await send_raw(session, body)
        assert (answer.status_code, '"result":{}' in answer.text) == (200, True), answer.text


@pytest.mark.parametrize("unknown", ["1999-01-01", "garbage", "2099-01-01", "x" * 5_000, "2025-11-25, 2025-06-18"])
async def test_an_unknown_version_is_named_with_those_there_are(core: Core, unknown: str) -> None:
    """Not by an object of the new era, which the client of a session does not send."""
    async with session_of(core) as session:
        answer = await session.send(PING, **{VERSION: unknown})
        assert (answer.status_code, answer.json()["id"]) == (400, 8)
        error = answer.json()["error"]
        assert error["code"] == -32022
        assert {"2024-11-05", "2025-11-25", "2026-07-28"} <= set(error["data"]["supported"])
        assert unknown[:10] in error["message"]
        assert "2025-11-25" in error["message"]
        assert len(error["message"]) < 300
        assert not [word for word in PYTHON if word in error["message"]]
        assert await lives(session)


@pytest.mark.parametrize(
    ("header", "body", "code"),
    [
        ("2099-01-01", "2099-01-01", -32022),
        ("2026-07-28", "2099-01-01", -32020),
        ("2099-01-01", "2026-07-28", -32020),
    ],
)
async def test_a_request_of_the_new_era_is_refused_as_its_specification_says(
    core: Core, header: str, body: str, code: int
) -> None:
    """A later version with those there are, and a header that says otherwise than the body."""
    envelope = ENVELOPE | {"io.modelcontextprotocol/protocolVersion": body}
    message = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {"_meta": envelope}}).encode()
    async with session_of(core) as session:
        headers = {**NEW, VERSION: header, "Mcp-Method": "tools/list", "Content-Type": "application/json"}
        answer = await session.http.post(session.url, content=message, headers=headers)
    assert (answer.status_code, answer.json()["id"], answer.json()["error"]["code"]) == (400, 7, code)
    assert code != -32022 or answer.json()["error"]["data"]["supported"] == ["2026-07-28"]
