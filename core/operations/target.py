"""The server that a change acts on."""

from dataclasses import dataclass

from vpsops.core.wayscloud.answers.regions import region_text


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
    region_name: str = ""  # as the provider lists it; no part of the digest
    labels: tuple[str, ...] | None = None  # such as `team=shop`; None where they are not known. No part of the digest

    @property
    def place(self) -> str:
        """The region for people, `Oslo, Norway (oslo)`, or its id alone; empty where it is not known."""
        return region_text(self.region, self.region_name)

    @property
    def key(self) -> str:
        """What at most one open change may hold."""
        return f"server:{self.id}" if self.id else f"hostname:{self.hostname.lower()}"
