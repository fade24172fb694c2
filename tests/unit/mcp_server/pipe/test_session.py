"""What a pipe says again on another connection, and how what was in flight is answered."""

import json
from typing import Any

import pytest

from vpsops.mcp_server.pipe.session import PipeSession, error_line, long_id, to_line

HELLO = to_line({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"capabilities": {}}})
READY = to_line({"jsonrpc": "2.0", "method": "notifications/initialized"})
HELLO_ANSWER = b'{"jsonrpc":"2.0","id":0,"result":{}}\n'


def request(ident: object, method: str = "tools/call", **params: Any) -> bytes:
    return to_line({"jsonrpc": "2.0", "id": ident, "method": method, "params": params})


def answer(ident: object) -> bytes:
    return to_line({"jsonrpc": "2.0", "id": ident, "result": {}})


def change(ident: object, name: str) -> bytes:
    params = {"requestId": ident, "change": name}
    return json.dumps({"jsonrpc": "2.0", "method": "notifications/vpsops/change", "params": params}).encode() + b"\n"


def opened(*words: str) -> PipeSession:
    """Return a session after its handshake."""
    session = PipeSession(words)
    session.introduce()
    session.send(HELLO)
    assert session.hear(HELLO_ANSWER)
    session.send(READY)
    return session


def parsed(lines: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def test_the_flags_go_first_and_the_handshake_once_more_on_the_next_connection() -> None:
    session = PipeSession(["--read-only"])
    (first,) = parsed(session.introduce())
    assert first["params"] == {"words": ["--read-only"]}
    session.send(HELLO)
    session.hear(HELLO_ANSWER)
    session.send(READY)
    assert session.lose() == []
    assert session.introduce()[1:] == [HELLO]
    assert session.is_resuming
    assert not session.hear(HELLO_ANSWER)  # the client has had it
    assert not session.is_resuming
    assert session.resume() == [READY]


def test_a_handshake_without_an_answer_is_sent_again_for_the_client() -> None:
    session = PipeSession([])
    session.introduce()
    session.send(HELLO)
    assert session.lose() == []
    assert session.introduce()[1:] == [HELLO]
    assert not session.is_resuming
    assert session.hear(HELLO_ANSWER)


def test_a_handshake_that_no_service_takes_is_answered_and_may_be_tried_again() -> None:
    session = PipeSession([])
    session.send(HELLO)
    session.lose()
    (reply,) = parsed(session.give_up())
    assert reply["id"] == 0
    assert "nothing was done" in reply["error"]["message"]
    assert session.give_up() == []
    assert len(session.introduce()) == 1


@pytest.mark.requirement("socket-restart-answers")
def test_what_was_in_flight_is_answered_once_and_never_sent_again() -> None:
    session = opened()
    for ident in ("a", 7, 8):
        session.send(request(ident))
    session.send(request(9, "tools/list"))
    assert not session.hear(change(7, "chg_0123456789ab"))
    assert session.hear(answer(8))
    lost = {each["id"]: each["error"] for each in parsed(session.lose())}
    assert set(lost) == {"a", 7, 9}
    assert lost[7]["data"] == {"change": "chg_0123456789ab"}
    assert "chg_0123456789ab" in lost[7]["message"]
    assert "do not ask for it once more" in lost[7]["message"]
    assert "vps_changes" in lost["a"]["message"]
    assert "Ask again" in lost[9]["message"]
    assert session.lose() == []
    sent = b"".join([*session.introduce(), *session.resume()])
    assert b"tools/" not in sent


def test_a_change_of_another_request_is_not_taken_for_ones_own() -> None:
    """Neither by a missing id nor by one of another kind."""
    session = opened()
    session.send(request(0))
    for ident in (None, False, "0", [0]):
        assert not session.hear(change(ident, "chg_0123456789ab"))
    (reply,) = parsed(session.lose())
    assert "data" not in reply["error"]


def test_a_request_that_was_given_up_is_not_answered() -> None:
    session = opened()
    session.send(request(3))
    session.send(to_line({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 3}}))
    assert session.lose() == []


def test_open_questions_are_withdrawn() -> None:
    """Those that were answered, or that the service withdrew itself, are not."""
    session = opened()
    for ident in ("ab-0", "ab-1", "ab-2"):
        assert session.hear(request(ident, "elicitation/create", message="Reboot?"))
    session.send(answer("ab-1"))
    session.hear(to_line({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "ab-2"}}))
    (reply,) = parsed(session.lose())
    assert (reply["method"], reply["params"]["requestId"]) == ("notifications/cancelled", "ab-0")


def test_subscriptions_are_made_again_under_ids_of_the_pipes_own() -> None:
    session = opened()
    for uri in ("vps://servers", "vps://servers/web01", "vps://audit/recent"):
        session.send(request(uri, "resources/subscribe", uri=uri))
        session.hear(answer(uri))
    session.send(request("gone", "resources/unsubscribe", uri="vps://audit/recent"))
    session.hear(answer("gone"))
    assert session.lose() == []
    session.introduce()
    session.hear(HELLO_ANSWER)
    ready, *again = parsed(session.resume())
    assert ready["method"] == "notifications/initialized"
    assert [each["params"]["uri"] for each in again] == ["vps://servers", "vps://servers/web01"]
    for each in again:
        assert not session.hear(answer(each["id"]))
    news = [(each["method"], each.get("params", {}).get("uri")) for each in parsed(session.renew())]
    assert news == [
        ("notifications/resources/updated", "vps://servers"),
        ("notifications/resources/updated", "vps://servers/web01"),
        ("notifications/tools/list_changed", None),
    ]


def test_a_stream_of_the_new_era_is_opened_again_and_acknowledged_once() -> None:
    session = PipeSession([])
    session.introduce()
    listen = request(5, "subscriptions/listen", notifications={"resourceSubscriptions": ["vps://servers"]})
    session.send(listen)
    params = {"_meta": {"io.modelcontextprotocol/subscriptionId": 5}}
    acknowledged = to_line({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params})
    other = acknowledged.replace(b":5}", b":55}")
    assert session.hear(acknowledged)
    assert session.lose() == []
    assert session.introduce()[1:] == []
    assert session.resume() == [listen]
    assert session.hear(other)
    assert not session.hear(acknowledged)
    assert session.hear(acknowledged)
    (news,) = parsed(session.renew())
    assert news["params"] == {**params, "uri": "vps://servers"}
    (ended,) = parsed(session.close())
    assert ended["id"] == 5


@pytest.mark.parametrize(
    "line", [b"hello\n", b"[1,2]\n", b'{"id":', b'{"jsonrpc":"2.0","id":[],"method":"x"}\n', b"\n"]
)
def test_lines_that_are_no_messages_are_left_to_the_service(line: bytes) -> None:
    session = opened()
    session.send(line)
    assert session.hear(line)
    assert session.lose() == []


def test_the_id_of_a_long_line_is_found_at_either_end_and_nowhere_else() -> None:
    inner = '"params":{"name":"x","id":5,"arguments":{"id":"no"}}'
    assert long_id(b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"a":"', b'"}}\n') == 7
    assert long_id(b'{ "id" : "x\\"y" , "params"', b"}}") == 'x"y'
    tail = f'{{"method":"tools/call",{inner},"jsonrpc":"2.0","id":9}}\n'.encode()
    assert long_id(tail, tail) == 9
    tail = f'{{"method":"tools/call",{inner},"id":9,"jsonrpc":"2.0"}}\n'.encode()
    assert long_id(tail, tail) == 9
    tail = f'{{"method":"tools/call",{inner}}}\n'.encode()
    assert long_id(tail, tail) is None


def test_errors_are_one_line_each() -> None:
    assert error_line("é\n", "a\nb").count(b"\n") == 1
