"""What a simulator received: the latest requests, without secrets."""

import json
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from vpsops.playground.wayscloud.hardware.keys import Presented, redact

KEPT = 10_000
BODY_SHOWN = 4_096


@dataclass(slots=True)
class Entry:
    """One request; its result is filled in during handling. `outcome` is `open`, `answered` or `dropped`."""

    seq: int
    at: datetime
    method: str
    path: str
    query: str
    keys: list[Presented]
    body: bytes
    operation: str | None = None
    server_id: str | None = None
    item: str = ""
    status: int | None = None
    outcome: str = "open"
    effect: bool = False
    faults: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Return the entry for reading: the kind of key and never the key, text redacted and bounded."""
        return {
            "seq": self.seq,
            "at": self.at.isoformat(),
            "method": self.method,
            "path": redact(self.path),
            "query": redact(self.query),
            "operation": self.operation,
            "server_id": self.server_id and redact(self.server_id),
            "keys": [{"header": key.header, "kind": key.kind} for key in self.keys],
            "body": _body(self.body),
            "status": self.status,
            "outcome": self.outcome,
            "effect": self.effect,
            "faults": self.faults,
        }


class Journal:
    """The latest requests, oldest first; `total` counts all since the start or the last reset."""

    def __init__(self) -> None:
        self.total = 0
        self._entries: deque[Entry] = deque(maxlen=KEPT)

    def open(self, entry: Entry) -> Entry:
        """Keep a request and number it."""
        self.total += 1
        entry.seq = self.total
        self._entries.append(entry)
        return entry

    def entries(self, *, since: int = 0, operation: str | None = None) -> list[Entry]:
        """Return the requests after number `since`, of one operation when named."""
        return [each for each in self._entries if each.seq > since and operation in (None, each.operation)]


def _body(body: bytes) -> object:
    text = redact(body.decode("utf-8", "replace"))
    if not text or len(text) > BODY_SHOWN:
        return text[:BODY_SHOWN] or None
    try:
        parsed: object = json.loads(text)
    except ValueError:
        return text
    return parsed
