"""The server that a change acts on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """What a change acts on, as it was when the change was asked for.

    For a create there is no server yet: `id` is empty and `hostname` is the one wanted.
    """

    id: str
    hostname: str
    state: str = ""
    region: str = ""
    address: str = ""
    plan: str = ""
    system: str = ""  # its operating system; changes of earlier versions have none

    @property
    def key(self) -> str:
        """What at most one open change may hold."""
        return f"server:{self.id}" if self.id else f"hostname:{self.hostname.lower()}"
