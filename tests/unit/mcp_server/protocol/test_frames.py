"""Lines that no SDK reads: each is answered under its id, where it has one that can be found."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from vpsops.core.config.settings import Settings, load_settings
from vpsops.mcp_server.fast_start import responder
from vpsops.mcp_server.fast_start.snapshot import known_settings
from vpsops.mcp_server.protocol.frames import (
    DEEPEST,
    INVALID_PARAMS,
    INVALID_REQUEST,
    MOST_DIGITS,
    PARSE_ERROR,
    read_frame,
)
from vpsops.mcp_server.protocol.lines import check_frame

CALL = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"vps_get","arguments":%s}}'
DEEP = "[" * 3_000 + "]" * 3_000


@pytest.mark.requirement("mcp-every-id-answered")
@pytest.mark.parametrize(
    ("line", "ident", "code"),
    [
        (CALL % '{"server":"a\\ud83d"}', 7, INVALID_PARAMS),
        (CALL % '{"a\\ud83d":1}', 7, INVALID_PARAMS),
        ('{"jsonrpc":"2.0","id":7,"method":"tools\\ud83d"}', 7, INVALID_PARAMS),
        ('{"jsonrpc":"2.0","id":"a\\ud83d","method":"ping"}', "a\ud83d", INVALID_PARAMS),
        ('{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}', 7, INVALID_PARAMS),
        ('{"jsonrpc":"2.0","id":7,"method":"ping","params":"x"}', 7, INVALID_PARAMS),
        ('{"id":7,"method":"ping"}', 7, INVALID_REQUEST),
        ('{"jsonrpc":"1.0","id":7,"method":"ping"}', 7, INVALID_REQUEST),
        ('{"jsonrpc":2.0,"id":7,"method":"ping"}', 7, INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":7}', 7, INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":7,"method":5}', 7, INVALID_REQUEST),
        (CALL % DEEP, 7, INVALID_REQUEST),
        (f'{{"jsonrpc":"2.0","method":"x","params":{{"id":3,"a":{DEEP}}},"id":7}}', 7, INVALID_REQUEST),
        (CALL % ("9" * 5_000), 7, INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 1.5, INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":1e3,"method":"ping"}', 1e3, INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":1e400,"method":"ping"}', None, INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":true,"method":"ping"}', True, INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":null,"method":"ping"}', None, INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":{},"method":"ping"}', None, INVALID_REQUEST),
        (CALL % "NaN", 7, PARSE_ERROR),
        ('{"jsonrpc":"2.0","id":7,"method":"ping"', 7, PARSE_ERROR),
        ('{"jsonrpc":"2.0","params":{"id":3},"id":"seven","method":ping}', "seven", PARSE_ERROR),
        ("hello", None, PARSE_ERROR),
        ("\ufffd\ufffd", None, PARSE_ERROR),
        ("5", None, INVALID_REQUEST),
        ("[]", None, INVALID_REQUEST),
    ],
)
def test_what_cannot_be_read_is_answered(line: str, ident: object, code: int) -> None:
    """The error has what to do, on one line of plain JSON, and nothing is passed on."""
    frame = read_frame(f"{line}\r\n")
    (answer,) = frame.answers
    reply = json.loads(answer)
    assert (frame.line, reply["id"], reply["error"]["code"]) == ("", ident, code)
    assert type(reply["id"]) is type(ident)
    assert answer.isascii()
    assert len(reply["error"]["message"]) < 200


def test_a_batch_is_refused_by_each_id_in_it() -> None:
    """The sender waits for each of them."""
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"method": "x"},
        {"jsonrpc": "2.0", "id": "b", "method": "ping"},
    ]
    answers = [json.loads(answer) for answer in read_frame(json.dumps(batch)).answers]
    assert [(item["id"], item["error"]["code"]) for item in answers] == [(1, INVALID_REQUEST), ("b", INVALID_REQUEST)]


@pytest.mark.requirement("mcp-every-id-answered")
@pytest.mark.parametrize(
    ("line", "idents"),
    [
        ('{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":"b","method":"ping"}', [1, "b"]),
        ('{"jsonrpc":"2.0","id":1,"method":"ping"} , {"method":"ping","params":{"id":9},"id":2}', [1, 2]),
        ('[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"meth', [1, 2]),
        ('[{"id":1,"params":{"a":[{"id":7}]}},{"id":2}', [1, 2]),
        ("}" * 5 + '{"id":3', [3]),
        ('[[{"id":4', [None]),
        ("".join(f'{{"id":{number}}}' for number in range(150)), list(range(100))),
    ],
)
def test_several_broken_messages_are_answered_by_each_id(line: str, idents: list[object]) -> None:
    """Two messages that lost the end of a line between them, and a batch that is cut off."""
    assert [json.loads(answer)["id"] for answer in read_frame(line).answers] == idents


@pytest.mark.parametrize(
    "line",
    [
        '{"jsonrpc":"2.0","id":7,"method":"ping"}',
        '{"jsonrpc":"2.0",\r"id":7,\t"method":"ping"}',
        '\ufeff{"jsonrpc":"2.0","id":"x","method":"ping","params":{"_meta":{}}}',
        '{"jsonrpc":"2.0","method":"notifications/initialized"}',
        '{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}',
        '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}',
        CALL % '{"name":"\\ud83d\\ude42"}',
        CALL % ("[" * (DEEPEST - 3) + "]" * (DEEPEST - 3)),
        CALL % ("9" * MOST_DIGITS),
    ],
)
def test_a_message_is_passed_on_as_it_is(line: str) -> None:
    """Up to the bounds themselves."""
    frame = check_frame(read_frame(f"{line}\n"))
    assert (frame.line, frame.answers) == (line.lstrip("\ufeff"), ())


@pytest.mark.parametrize("line", ["", " \t\r\n", '{"method":"x"}', '{"jsonrpc":"2.0","method":"x","params":[]}'])
def test_what_asks_nothing_is_not_answered(line: str) -> None:
    """A blank line, and an invalid notification: no client waits."""
    assert (read_frame(line).line, read_frame(line).answers) == ("", ())


def test_half_a_character_in_an_answer_does_not_lose_the_answer() -> None:
    """There is no id to refuse it under, and the question would wait for its time-out."""
    frame = check_frame(
        read_frame('{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"confirm":true,"note":"a\\ud83d"}}}')
    )
    assert json.loads(frame.line)["result"]["content"] == {"confirm": True, "note": "a\ufffd"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.requirement("mcp-every-id-answered")
@settings(max_examples=examples(100))
@given(
    st.dictionaries(st.sampled_from(["jsonrpc", "id", "method", "params", "x"]), VALUES | st.just("2.0")),
    st.integers(0, 80),
)
def test_whoever_sent_an_id_gets_an_answer(message: dict[str, Any], cut: int) -> None:
    """Any message, whole or cut off: it is read by the SDK, or answered, or was no request."""
    line = json.dumps(message)
    for text in (line, line[:-cut] if cut else line):
        frame = check_frame(read_frame(text))
        if frame.answers or not text.strip():
            continue
        asked = "id" in message and "method" in message and text == line
        assert frame.line or not asked


def test_settings_that_the_front_is_sure_of_do_load() -> None:
    """And those that do not load are never sure: the handshake waits for the real server."""
    known = known_settings()
    good = {
        "VPSOPS_LOG_LEVEL": "warning",
        "VPSOPS_ACTOR": "slack:U0ANN12345",
        "WAYSCLOUD_API_URL": "http://127.0.0.1:9",
        "VPSOPS_DATABASE_CONNECTIONS": "100",
        "VPSOPS_MCP_AUDIT": "all",
        "VPSOPS_SLACK_TEAMS": "T1, T2",
    }
    wrong = {
        "VPSOPS_LOG_LEVEL": "loud",
        "VPSOPS_ACTOR": "slack:bob",
        "WAYSCLOUD_API_URL": "ftp://x",
        "VPSOPS_DATABASE_CONNECTIONS": "101",
        "VPSOPS_MCP_AUDIT": "none",
        "VPSOPS_SLACK_TEAMS": "x",
        "VPSOPS_STATE_KEY_FILE": "/nowhere/key",
        "VPSOPS_COLOUR": "red",
    }
    for name, value in good.items():
        assert responder._surely_load({name: value}, known), name
        assert isinstance(load_settings({name: value}), Settings)
    for name, value in wrong.items():
        assert not responder._surely_load({name: value}, known), name


@pytest.mark.parametrize("word", ["WARNING", "Warning", " warning "])
def test_a_level_is_taken_in_any_case(word: str) -> None:
    """As the names of levels are written elsewhere."""
    assert load_settings({"VPSOPS_LOG_LEVEL": word}).log_level == "warning"
