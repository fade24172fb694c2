"""Parses lines of standard input before the SDK does: every request with an id gets an answer.

The SDK drops a line it cannot read, and takes a request with an odd id for a notification; its caller waits until a
time-out of its own. Here such a line is answered with an error of JSON-RPC, under its id where that can be found.
Only light modules of the standard library: the start-up front uses this too.
"""

from __future__ import annotations

import json
import re
from json import JSONDecodeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INVALID_PARAMS = -32602
DEEPEST = 100  # levels of nesting; the SDK's parser ends at 200
MOST_DIGITS = 300
WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^"{}\[\]\s,:]+')
SCALAR = re.compile(r'-?\d{1,18}|"(?:[^"\\]|\\.){0,200}"')
SURROGATE = re.compile("[\ud800-\udfff]")
SHOWN = 60
MOST_IDS = 100  # of a line that cannot be parsed
UNREADABLE = "This message cannot be read: it is not as JSON-RPC 2.0 and MCP have it."


class Frame:
    """A parsed line: the line to pass on, or "", and the answers to send, usually none."""

    __slots__ = ("answers", "line", "message")

    def __init__(self, line: str, message: Any = None, answers: tuple[str, ...] = ()) -> None:
        self.line = line
        self.message = message
        self.answers = answers


def read_frame(line: str) -> Frame:
    """Parse a line of standard input, or the body of a request."""
    text = line.strip().lstrip("\ufeff")
    if not text:
        return Frame("")
    try:
        message = _parsed(text)
    except (ValueError, RecursionError, OverflowError) as error:
        return Frame("", answers=tuple(_error(ident, *_unread(error)) for ident in _found_ids(text)))
    if isinstance(message, list):
        return Frame("", answers=tuple(_batch(message)))
    if not isinstance(message, dict):
        return Frame("", answers=(_error(None, INVALID_REQUEST, "A message is a JSON object."),))
    if "method" not in message and ("result" in message or "error" in message):
        return Frame(_mended(text, message), message)
    wrong = _wrong(message)
    if wrong is None:
        return Frame(text, message)
    if "id" not in message and isinstance(message.get("method"), str):
        return Frame("")  # a notification is never answered
    return Frame("", answers=(_error(message.get("id"), *wrong),))


def refuse_frame(frame: Frame) -> Frame:
    """Return the answer to a message that the SDK could not read, for a reason that is not known here."""
    return refuse_request(frame, UNREADABLE)


def unreadable_answer() -> str:
    """Return the error for an invalid notification or an empty body, where its sender waits for a status."""
    return _error(None, INVALID_REQUEST, UNREADABLE)


def refuse_request(frame: Frame, text: str, code: int = INVALID_REQUEST) -> Frame:
    """Return the refusal of a request; nothing for a message that is never answered."""
    asked = isinstance(frame.message, dict) and "id" in frame.message and "method" in frame.message
    return Frame("", answers=(_error(frame.message["id"], code, text),) if asked else ())


def refuse_long_line(head: str, longest: int) -> Frame:
    """Return the answer to a line that is too long, by its beginning; a notification's is under no id."""
    text = f"This line is longer than {longest} bytes. Send less at once."
    return Frame("", answers=(_error(_found_ids(head)[0], INVALID_REQUEST, text),))


def _parsed(text: str) -> Any:
    if text.count("[") + text.count("{") > DEEPEST and any(depth > DEEPEST for depth in _depths(text)):
        raise RecursionError
    return json.loads(text, parse_constant=_no_constant, parse_int=_whole)


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise OverflowError
    return int(digits)


def _no_constant(name: str) -> Any:
    raise JSONDecodeError(f"{name} is no JSON", name, 0)


def _unread(error: Exception) -> tuple[int, str]:
    if isinstance(error, RecursionError):
        return INVALID_REQUEST, f"This message is nested deeper than {DEEPEST} levels. Send it flatter."
    if isinstance(error, JSONDecodeError):
        where = f", at character {error.pos + 1}" if error.pos else ""
        return PARSE_ERROR, f"This message is not JSON{where}. Send one JSON-RPC message at a time."
    return INVALID_REQUEST, f"A number in this message has more than {MOST_DIGITS} digits. Send it as text."


def _wrong(message: dict[str, Any]) -> tuple[int, str] | None:
    """Describe the fault of a request or a notification, or return None."""
    if message.get("jsonrpc") != "2.0":
        return INVALID_REQUEST, 'A message must say "jsonrpc": "2.0".'
    if not isinstance(message.get("method"), str):
        return INVALID_REQUEST, "A request must name its method, as text."
    ident = message.get("id", "")
    if isinstance(ident, bool) or not isinstance(ident, int | str):
        return INVALID_REQUEST, "An id must be text or a whole number."
    if not isinstance(message.get("params", {}), dict | None):
        return INVALID_PARAMS, "params must be a JSON object."
    place = next(_broken(message, ""), None)
    if place is not None:
        return (
            INVALID_PARAMS,
            f"The text at {place or 'the top'} holds half a character (a lone surrogate). Send it whole.",
        )
    return None


def _broken(value: Any, place: str) -> Iterator[str]:
    """Yield the places of texts that no UTF-8 can hold; the id's is marked, since it can be answered."""
    if isinstance(value, str):
        if SURROGATE.search(value):
            yield place
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _broken(item, f"{place}.{index}")
    elif isinstance(value, dict):
        for name, item in value.items():
            inner = f"{place}.{name}".lstrip(".")
            yield from _broken(name, place) if SURROGATE.search(name) else _broken(item, inner[:SHOWN])


def _batch(messages: list[Any]) -> Iterator[str]:
    """Refuse a batch: each of its requests by its id, and one without any as a whole."""
    text = "Batches are not taken. Send each message by itself."
    asked = [message for message in messages if isinstance(message, dict) and "id" in message and "method" in message]
    for message in asked:
        yield _error(message["id"], INVALID_REQUEST, text)
    if not asked:
        yield _error(None, INVALID_REQUEST, text)


def _mended(text: str, message: dict[str, Any]) -> str:
    """Return a client's answer with lone surrogates replaced: answers cannot be refused."""
    if next(_broken(message, ""), None) is None:
        return text
    return SURROGATE.sub("\ufffd", json.dumps(message, ensure_ascii=False))


def _error(ident: Any, code: int, text: str) -> str:
    """Return an error under an id, unchanged when it is a text or a number."""
    kept = ident if isinstance(ident, str | int) or (isinstance(ident, float) and abs(ident) < float("inf")) else None
    return json.dumps({"jsonrpc": "2.0", "id": kept, "error": {"code": code, "message": text}})


def _found_ids(text: str) -> list[Any]:
    """Return the ids of messages that cannot be parsed: each the value of its own `id`, of no object within it.

    Several messages may share a line: one after another, or in a batch that is cut off. Without any id it is null.
    """
    depth, top, before = 0, 1, ""
    idents: list[Any] = []
    for match in WORD.finditer(text):
        word = match[0]
        if word in "{[":
            top = 1 + (word == "[") if depth == 0 else top
            depth += 1
        elif word in "}]":
            depth = max(depth - 1, 0)
        elif depth == top and before == '"id"' and SCALAR.fullmatch(word) and len(idents) < MOST_IDS:
            idents.append(json.loads(word))
        before = word if depth == top else ""
    return idents or [None]


def _depths(text: str) -> Iterator[int]:
    depth = 0
    for match in WORD.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(match[0], 0)
        yield depth
