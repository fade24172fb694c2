"""The content of one notification."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from vpsops.core.common.json_types import Json

SERVER: Final = "server:"
PROVIDER: Final = "provider"
"""In place of a server, in the topics of what is about the provider."""


@dataclass(frozen=True, slots=True)
class NotificationItem:
    """One notification. `foot` is escaped mrkdwn; `text`, `server` and `hostname` are untrusted."""

    text: str
    server: str = ""
    hostname: str = ""
    foot: str = ""
    change: str = ""

    @property
    def key(self) -> str:
        """The thread key: the server's id or hostname, else "provider"."""
        return self.server or self.hostname or PROVIDER

    @property
    def value(self) -> dict[str, Json]:
        """The item's stored form."""
        return {"t": self.text, "s": self.server, "h": self.hostname, "f": self.foot, "c": self.change}

    @classmethod
    def of(cls, value: Mapping[str, Json]) -> Self:
        """Restore an item from its stored form."""
        return cls(*(str(value.get(name, "")) for name in ("t", "s", "h", "f", "c")))


def server_in(topic: str) -> str:
    """Return the id, or else the name, of the server that a topic of a day is about; "" for any other topic."""
    name, _, _ = topic.removeprefix(SERVER).rpartition(":")
    return name if topic.startswith(SERVER) and name != PROVIDER else ""
