"""What a session has open: what waits for an answer, and what has to be said again on another connection."""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeGuard

PIPE = "notifications/vpsops/pipe"
CHANGE = "notifications/vpsops/change"
CANCELLED = "notifications/cancelled"
LISTEN = "subscriptions/listen"
HELLO = "initialize"
AGAIN = (HELLO, LISTEN)  # they alter nothing
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
UPDATED = "notifications/resources/updated"
TOOLS_CHANGED = "notifications/tools/list_changed"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
OWN = "vpsops-pipe-"
MOST_SUBSCRIPTIONS = 500
LONGEST_KEPT = 65_536
INTERNAL_ERROR = -32603
SCALAR = rb'-?\d{1,18}|"(?:[^"\\]|\\.){0,200}"'
HEARD = re.compile(
    rb'\{"jsonrpc": ?"2\.0", ?(?:"id": ?(' + SCALAR + rb'), ?)?"(method|result|error)": ?(?:"([^"\\]*)")?'
)
"""How each line of the service begins."""
ID_FIRST = re.compile(rb'\s*\{\s*(?:"(?:jsonrpc|method)"\s*:\s*"[^"\\]*"\s*,\s*)*"id"\s*:\s*(' + SCALAR + rb")\s*[,}]")
ID_LAST = re.compile(rb'"id"\s*:\s*(' + SCALAR + rb')\s*(?:,\s*"(?:jsonrpc|method)"\s*:\s*"[^"\\]*"\s*)*\}\s*$')
"""Where the id of a long line stands: before the rest, or behind it as the TypeScript SDK writes it."""

NOT_SENT = "The vpsops service does not answer, and nothing was done. Ask again in a moment; `vpsops doctor` says more."
LOST = "The vpsops service ended before it answered. Ask again in a moment."
UNCLEAR = (
    "The vpsops service ended before it answered, and whether anything was done is not known."
    " Look at vps_changes before you ask for it once more."
)
GOES_ON = (
    "The vpsops service ended before it answered. The change {change} goes on without this call:"
    " follow it with vps_change_get, and do not ask for it once more."
)


class SentRequest:
    """A request that was sent: its method, the change it became, and its line where it is sent again."""

    __slots__ = ("change", "line", "method")

    def __init__(self, method: str, line: bytes = b"") -> None:
        self.method = method
        self.line = line
        self.change = ""


class PipeSession:
    """Follows the lines of both sides."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)
        self._hello: tuple[Any, bytes] | None = None
        self._losses = 0
        self._ready = b""
        self._waiting: dict[int | str, SentRequest] = {}
        self._questions: dict[bytes, None] = {}
        self._uris: dict[str, None] = {}
        self._own: set[int | str] = set()  # answers that the client has or does not expect
        self._acknowledged: set[bytes] = set()

    @property
    def is_resuming(self) -> bool:
        """Return whether the handshake that was said again is unanswered."""
        return self._hello is not None and self._hello[0] in self._own

    @property
    def has_resumed(self) -> bool:
        """Return whether there was an earlier connection."""
        return self._losses > 0

    def send(self, line: bytes) -> None:
        """Note a whole line of the client that goes to the service."""
        message = read(line)
        method, ident = message.get("method"), message.get("id")
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        if method is None:
            self._questions.pop(json.dumps(ident).encode(), None)
        elif method == CANCELLED:
            self._drop(params.get("requestId"))
        elif method == "notifications/initialized":
            self._ready = line
        elif is_id(ident):
            self._waiting[ident] = SentRequest(str(method), line if method in AGAIN else b"")
            self._remember(method, ident, params, line)

    def send_long(self, ident: Any) -> None:
        """Note a long line of the client, as far as its id could be read."""
        if is_id(ident):
            self._waiting[ident] = SentRequest("tools/call")

    def hear(self, line: bytes) -> bytes:
        """Note a line of the service, or its beginning; return it where the client gets it, else nothing."""
        match = HEARD.match(line)
        if match is None:
            return line
        ident, kind, method = match.groups()
        if kind != b"method":
            key = json.loads(ident) if ident else None
            if key in self._own:
                self._own.discard(key)
                return b""
            self._drop(key)
        elif ident:
            self._questions[ident] = None
        elif method == CHANGE.encode():
            self._note_change(read(line).get("params") or {})
            return b""
        elif method == ACKNOWLEDGED.encode():
            return b"" if self._is_known(line) else line
        elif method == CANCELLED.encode():
            self._questions.pop(json.dumps((read(line).get("params") or {}).get("requestId")).encode(), None)
        return line

    def lose(self) -> list[bytes]:
        """Return what the client hears when the connection is lost: answers to what waits, questions withdrawn.

        A handshake and streams stay: they are sent again on the next connection.
        """
        answers = [
            error_line(ident, _why(waiting), waiting.change)
            for ident, waiting in self._waiting.items()
            if not waiting.line
        ]
        self._waiting = {ident: waiting for ident, waiting in self._waiting.items() if waiting.line}
        reason = "The service ended."
        for question in self._questions:
            params = {"requestId": json.loads(question), "reason": reason}
            answers.append(to_line({"jsonrpc": "2.0", "method": CANCELLED, "params": params}))
        self._losses += 1
        self._questions.clear()
        self._own.clear()
        self._acknowledged.clear()
        return answers

    def give_up(self) -> list[bytes]:
        """Return the answer to a handshake that waits for a service which does not come; it may be tried once more."""
        if self._hello is None or self._hello[0] not in self._waiting:
            return []
        ident, self._hello = self._hello[0], None
        self._drop(ident)
        return [error_line(ident, NOT_SENT)]

    def close(self) -> list[bytes]:
        """Return the answers to everything that waits, when nothing follows."""
        for waiting in self._waiting.values():
            waiting.line = b""
        return self.lose()

    def introduce(self) -> list[bytes]:
        """Return the lines that begin a connection: the flags, and the handshake, if any."""
        lines = [to_line({"jsonrpc": "2.0", "method": PIPE, "params": {"words": self._words}})]
        if self._hello is not None:
            if self._hello[0] not in self._waiting:  # the client has its answer
                self._own.add(self._hello[0])
            lines.append(self._hello[1])
        return lines

    def resume(self) -> list[bytes]:
        """Return the lines that follow the handshake: what was subscribed to, and the open streams."""
        lines = [self._ready] if self._ready and self._hello is not None else []
        for number, uri in enumerate(self._uris):
            own = f"{OWN}{number}"
            self._own.add(own)
            lines.append(
                to_line({"jsonrpc": "2.0", "id": own, "method": "resources/subscribe", "params": {"uri": uri}})
            )
        for ident, waiting in self._streams():
            self._acknowledged.add(json.dumps(ident).encode())
            lines.append(waiting.line)
        return lines

    def renew(self) -> list[bytes]:
        """Return the news for the client that may have been missed meanwhile: it reads again what it follows."""
        news: list[dict[str, Any]] = [{"method": UPDATED, "params": {"uri": uri}} for uri in self._uris]
        if self._hello is not None and self._ready:
            news.append({"method": TOOLS_CHANGED})
        for ident, waiting in self._streams():
            wanted = (read(waiting.line).get("params") or {}).get("notifications") or {}
            meta = {"_meta": {SUBSCRIPTION: ident}}
            news += [
                {"method": UPDATED, "params": {**meta, "uri": uri}} for uri in wanted.get("resourceSubscriptions") or ()
            ]
        return [to_line({"jsonrpc": "2.0", **each}) for each in news]

    def _streams(self) -> list[tuple[int | str, SentRequest]]:
        return [(ident, waiting) for ident, waiting in self._waiting.items() if waiting.method == LISTEN]

    def _remember(self, method: Any, ident: int | str, params: dict[str, Any], line: bytes) -> None:
        uri = params.get("uri")
        if method == HELLO and self._hello is None and len(line) <= LONGEST_KEPT:
            self._hello = (ident, line)
        elif method == "resources/subscribe" and isinstance(uri, str) and len(self._uris) < MOST_SUBSCRIPTIONS:
            self._uris[uri] = None
        elif method == "resources/unsubscribe" and isinstance(uri, str):
            self._uris.pop(uri, None)

    def _note_change(self, params: dict[str, Any]) -> None:
        ident = params.get("requestId")
        if is_id(ident) and ident in self._waiting:
            self._waiting[ident].change = str(params.get("change", ""))

    def _is_known(self, line: bytes) -> bool:
        """Return whether a stream's acknowledgement is of one that was opened again."""
        for ident in self._acknowledged:
            if re.search(SUBSCRIPTION.encode() + rb'": ?' + re.escape(ident) + rb"[,}]", line):
                self._acknowledged.discard(ident)
                return True
        return False

    def _drop(self, ident: Any) -> None:
        if is_id(ident):
            self._waiting.pop(ident, None)


def _why(waiting: SentRequest) -> str:
    if waiting.change:
        return GOES_ON.format(change=waiting.change)
    return UNCLEAR if waiting.method == "tools/call" else LOST


def is_id(ident: Any) -> TypeGuard[int | str]:
    """Return whether a value can be the id of a request."""
    return isinstance(ident, int | str) and not isinstance(ident, bool)


def read(line: bytes) -> dict[str, Any]:
    """Return a line as a message; an empty one where it is none, which the service will say."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def long_id(head: bytes, tail: bytes) -> Any:
    """Return the id of a long line by its beginning and its end, or None."""
    match = ID_FIRST.match(head) or ID_LAST.search(tail)
    return json.loads(match[1]) if match else None


def error_line(ident: Any, text: str, change: str = "") -> bytes:
    """Return an error as a line; `change` is its data."""
    error: dict[str, Any] = {"code": INTERNAL_ERROR, "message": text}
    if change:
        error["data"] = {"change": change}
    return to_line({"jsonrpc": "2.0", "id": ident, "error": error})


def to_line(message: dict[str, Any]) -> bytes:
    """Return a message as a line."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"
