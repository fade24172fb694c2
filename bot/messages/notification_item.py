"""What a notification is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from vpsops.core.common.json_types import Json


@dataclass(frozen=True, slots=True)
class NotificationItem:
    """One thing to tell, in words; `foot` is escaped mrkdwn of ours, `server` and `hostname` are data."""

    text: str
    server: str = ""
    hostname: str = ""
    foot: str = ""
    change: str = ""

    @property
    def key(self) -> str:
        """Name what it is about, for its thread: a server, or the provider."""
        return self.server or self.hostname or "provider"

    @property
    def value(self) -> dict[str, Json]:
        """The item as it is stored."""
        return {"t": self.text, "s": self.server, "h": self.hostname, "f": self.foot, "c": self.change}

    @classmethod
    def of(cls, value: Mapping[str, Json]) -> Self:
        """Read a stored item."""
        return cls(*(str(value.get(name, "")) for name in ("t", "s", "h", "f", "c")))
