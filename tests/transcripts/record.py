"""What is kept of a conversation, made the same each time it is held: ids, times and seals are replaced."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = Any

PLACES: Final = (
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "2027-01-04T09:00:00.000Z"),
    (re.compile(r"\b20(2[6-9]|[3-9]\d)-\d\d-\d\d \d\d:\d\d UTC"), "2027-01-04 10:00 UTC"),
    (
        re.compile(r"(after|going,|running,|still going, longer than usual,) \d+ (s|min|h|d)( \d+ (s|min|h))?"),
        r"\1 3 s",
    ),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:8900"),
    (re.compile(r"\berr_[0-9a-f]{8}\b"), "err_0a1b2c3d"),
    (re.compile(r"\bconfirm-[0-9a-f]{32}\b"), "confirm-00112233445566778899aabbccddeeff"),
)
CHANGE: Final = re.compile(r"\bchg_[0-9a-f]{12}\b")
SEALED: Final = "(sealed: only the server can read it, and it is good for this call of this caller alone)"
KEPT_TOOLS: Final = frozenset({"vps_stop"})


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """One thing that happened: a message, or a person's deed. `head` stands above the message."""

    who: str
    message: Json = None
    head: str = ""


@dataclass
class Record:
    """A conversation, in order."""

    entries: list[RecordEntry] = field(default_factory=list)
    changes: dict[str, str] = field(default_factory=dict)

    def client(self, message: Json, head: str = "") -> None:
        """Keep what the client sent."""
        self.entries.append(RecordEntry("client", self.plain(message), head))

    def server(self, message: Json, head: str = "") -> None:
        """Keep what the server sent; of several words of progress in a row the first."""
        kept = RecordEntry("server", self.plain(message), head)
        if _is_progress(message) and any(_is_progress(entry.message) for entry in self.entries[-1:]):
            return
        self.entries.append(kept)

    def happened(self, text: str) -> None:
        """Keep what a person did."""
        self.entries.append(RecordEntry(self.words(text)))

    def plain(self, value: Json) -> Json:
        """Return a message without what differs each time."""
        if isinstance(value, str):
            return self.words(value)
        if isinstance(value, list):
            return [self.plain(item) for item in value]
        if isinstance(value, dict):
            return {key: self._field(key, entry) for key, entry in value.items()}
        return value

    def _field(self, key: str, value: Json) -> Json:
        if key == "requestState":
            return SEALED
        if key == "progress":
            return 0
        if key in {"inputRequests", "inputResponses"}:
            return {self.words(name): self.plain(entry) for name, entry in value.items()}
        if key == "tools" and isinstance(value, list):
            return [*self._tools(value), "(other tools)"]
        return self.plain(value)

    def _tools(self, tools: list[Json]) -> list[Json]:
        """Return the tool that is called, without its schemas: docs/reference and the snapshots show those."""
        kept = [tool for tool in tools if tool["name"] in KEPT_TOOLS]
        return [{key: item[key] for key in ("name", "title", "annotations") if key in item} for item in kept]

    def words(self, text: str) -> str:
        """Return a text without what differs each time."""
        for pattern, place in PLACES:
            text = pattern.sub(place, text)
        return CHANGE.sub(self._numbered, text)

    def _numbered(self, match: re.Match[str]) -> str:
        return self.changes.setdefault(match[0], f"chg_{len(self.changes) + 1:012d}")


def _is_progress(message: Json) -> bool:
    return isinstance(message, Mapping) and message.get("method") == "notifications/progress"


def page(title: str, about: str, record: Record) -> str:
    """Return a conversation as a page."""
    parts = [f"# {title}", about]
    for entry in record.entries:
        if entry.message is None and not entry.head:
            parts.append(f"> {entry.who}")
            continue
        parts.append(f"**{'client to server' if entry.who == 'client' else 'server to client'}**")
        lines = [entry.head] if entry.head else []
        if entry.message is not None:
            lines.append(json.dumps(entry.message, indent=2, ensure_ascii=False))
        parts.append("```" + ("http" if entry.head else "json") + "\n" + "\n\n".join(lines) + "\n```")
    return "\n\n".join(parts) + "\n"
