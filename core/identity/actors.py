"""Who asks, from where, and who may approve."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vpsops.core.common.text import quoted

LONGEST_NAME: Final = 60


class ActorKind(StrEnum):
    """A person, or a program that acts for a person."""

    PERSON = "person"
    AGENT = "agent"


LOCAL = "local:"
"""Begins the name of a human who is known only as a user of the machine, and to no one in Slack."""


SLACK = "slack:"
"""Begins the name of a human that is declared to be a Slack user id."""

TERMINAL: Final = "cli"
"""The front end of requests that are typed at a terminal, or made by a script."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. `human` identifies the person behind an agent (for a person: the person)."""

    kind: ActorKind
    id: str
    name: str = ""
    human: str = ""
    aliases: tuple[str, ...] = ()  # other ids of the same human, e.g. an e-mail beside a Slack id
    groups: tuple[str, ...] = ()
    account: str = ""
    """The one active account of the human in Slack, as Slack said when it was asked for; empty where it was not."""

    @property
    def label(self) -> str:
        """The name people know, or the id."""
        return self.name or self.id

    @property
    def claim(self) -> str:
        """The name for a column: what an agent calls itself is marked as its claim."""
        return f"calls itself {quoted(self.label, LONGEST_NAME)}" if self.kind is ActorKind.AGENT else self.label

    @property
    def cited(self) -> str:
        """The name for a sentence, marked as `claim` does."""
        return f"the agent that {self.claim}" if self.kind is ActorKind.AGENT else self.label

    @property
    def person(self) -> str:
        """The human as people read a name: an e-mail address where one is known, else the account in Slack."""
        email = next((name for name in (self.human, *self.aliases) if "@" in name), "")
        declared = self.human.removeprefix(SLACK) if self.human.startswith(SLACK) else ""
        account = self.account or declared
        return email or (f"Slack account {account}" if account else self.human)

    @property
    def identities(self) -> frozenset[str]:
        """Every id that means this actor or the human behind it, in lower case."""
        names = (self.id, self.human, *self.aliases, self.account)
        return frozenset(name.lower().removeprefix(SLACK) for name in names if name) | self.humans

    @property
    def traceable(self) -> bool:
        """Return whether the human's name can be found in a directory; a local user name cannot."""
        named = self.account or self.human.startswith(SLACK) or "@" in self.human
        return self.kind is ActorKind.PERSON or bool(named)

    def same_human(self, other: "Actor") -> bool:
        """Return whether both are, or act for, the same person: by their accounts, else by the names they are given."""
        if self.account and other.account:
            return self.account == other.account
        return bool(self.humans & other.humans)

    @property
    def humans(self) -> frozenset[str]:
        """Every id of the human alone: an agent's own id is its program's, which other people run as well."""
        own = self.id if self.kind is ActorKind.PERSON else ""
        account = f"{SLACK}{self.account}" if self.account else ""
        return frozenset(name.lower() for name in (own, account, self.human, *self.aliases) if name)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, so that answers find their way back."""

    front: str  # "slack", "mcp" or "cli"
    team: str = ""
    channel: str = ""
    thread: str = ""
    credential: str = ""  # a fingerprint of the token that an agent's request came with; empty without a token

    @property
    def verifies_people(self) -> bool:
        """Return whether a person who asks from here was identified; the user of a terminal is a claim."""
        return self.front != TERMINAL


def claims_human(actor: Actor, origin: Origin) -> bool:
    """Return whether the human of a request is only named by it: an agent's, or a terminal's."""
    return actor.kind is ActorKind.AGENT or not origin.verifies_people


@dataclass(frozen=True, slots=True)
class Approvers:
    """Who may vote: members of Slack user groups, named people, members of channels."""

    groups: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.groups or self.people or self.channels)


def is_among(approvers: Approvers, voter: Actor) -> bool:
    """Return whether a person is named here, or in one of the groups and channels by what was read of them."""
    named = {person.lower() for person in approvers.people} & voter.identities
    matching = set(approvers.groups + approvers.channels) & set(voter.groups)
    return bool(named or matching)


def union_of(every: Sequence[Approvers]) -> Approvers:
    """Return the union of several lists of approvers, to ask and to show; a voter must match each list."""
    return Approvers(
        groups=tuple(dict.fromkeys(group for approvers in every for group in approvers.groups)),
        people=tuple(dict.fromkeys(person for approvers in every for person in approvers.people)),
        channels=tuple(dict.fromkeys(channel for approvers in every for channel in approvers.channels)),
    )
