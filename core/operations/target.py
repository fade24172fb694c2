"""The server that a change acts on."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from vpsops.core.wayscloud.answers.regions import region_text

PLAN: Final = "plan_"
"""How the stored name of a plan begins: one question about many servers; the operation of its members follows."""
GRANT: Final = "grant_"
"""How the stored name of a request for a grant begins; the operation that the grant would be for follows."""


class ServerName(NamedTuple):
    """A server's id and hostname."""

    id: str
    hostname: str


@dataclass(frozen=True, slots=True)
class Target:
    """What a change acts on, as it was when the change was asked for.

    For a create there is no server yet: `id` is empty and `hostname` is the one wanted. A plan and a request for a
    grant have their servers as `members`, and say in `hostname` how many they are, or which.
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
    members: tuple[ServerName, ...] = ()  # of a plan or a grant: its servers. The digest has them by the arguments

    @property
    def place(self) -> str:
        """The region for people, `Oslo, Norway (oslo)`, or its id alone; empty where it is not known."""
        return region_text(self.region, self.region_name)

    @property
    def key(self) -> str:
        """What at most one open change may hold; empty for many: a plan's members hold theirs in turn."""
        if self.members:
            return ""
        return f"server:{self.id}" if self.id else f"hostname:{self.hostname.lower()}"


def planned_in(name: str) -> str:
    """Return the operation of a plan's members; empty for a name that is no plan's."""
    return name.removeprefix(PLAN) if name.startswith(PLAN) else ""


def is_plan(name: str) -> bool:
    """Return whether a stored name is a plan's."""
    return bool(planned_in(name))


def granted_in(name: str) -> str:
    """Return the operation that a request for a grant is about; empty for a name that is no such request's."""
    return name.removeprefix(GRANT) if name.startswith(GRANT) else ""


def is_grant_request(name: str) -> bool:
    """Return whether a stored name is that of a request for a grant."""
    return bool(granted_in(name))


def single_operation(name: str) -> str:
    """Return the operation that a stored name is about: of a plan that of its members, of a grant what it allows."""
    return planned_in(name) or granted_in(name) or name
