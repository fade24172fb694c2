"""A policy's decision about a request."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from vpsops.core.common.text import count_text, duration
from vpsops.core.identity.actors import Approvers


class Decision(StrEnum):
    """A policy's decision about a request, mildest first; the strictest rule that matches wins."""

    ALLOW = "allow"
    CONFIRM = "confirm"
    APPROVE = "approve"
    DENY = "deny"

    @property
    def rank(self) -> int:
        """Order decisions by strictness."""
        return list(Decision).index(self)


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """The longest grant that approvers may give by the rules behind a ruling."""

    seconds: float
    uses: int
    servers: tuple[str, ...] = ()  # the rule's own patterns; empty where the server of the change alone can be granted
    states: tuple[str, ...] = ()  # the live states of a server in which a grant holds; empty for any

    @property
    def words(self) -> str:
        """Return the terms in words: `up to 2 h, 20 uses, while running`."""
        states = f", while {' or '.join(self.states)}" if self.states else ""
        return f"up to {duration(self.seconds)}, {count_text(self.uses, 'use')}{states}"


@dataclass(frozen=True, slots=True)
class GrantUse:
    """The grant by which a change runs without votes, the change that opened it, and which of its uses this is."""

    id: str
    source: str
    number: int
    uses: int

    @property
    def words(self) -> str:
        """Return the use in words: `by grant gr_0123456789ab, 3 of 20`."""
        return f"by grant {self.id}, {self.number} of {self.uses}"


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision, the rules behind it, and its requirements on people."""

    decision: Decision
    rules: tuple[str, ...] = ()
    votes: int = 0
    approvers: Approvers = field(default_factory=Approvers)
    reason: str = ""
    policy: str = ""  # the policy's version
    requirements: tuple[Approvers, ...] = ()  # a voter is among the approvers of each
    expires: float = 0.0  # seconds a hold waits for votes; 0 for the default
    confirm_in: tuple[str, ...] = ()  # where the human of an agent may confirm; empty for the client's dialog
    monthly: float | None = None  # the month's price that it was decided on; None without one, or without a known one
    grant_terms: GrantTerms | None = None  # what its approvers may grant with their votes
    grant: GrantUse | None = None  # the grant that turned approve into allow; votes and approvers are as they were

    end: str = ""  # the create with the approval that covers this stop at the end of its server
    overrides: tuple[Approvers, ...] = ()  # an asker on each of them may run it without votes; empty for no one

    @property
    def approver_names(self) -> list[list[str]]:
        """The people, groups and channels that may approve, one list for each requirement."""
        every = self.requirements or (self.approvers,)
        return _names(every)

    @property
    def override_names(self) -> list[list[str]]:
        """The people and groups that may run a change of their own without votes, one list for each rule."""
        return _names(self.overrides)

    @property
    def override_text(self) -> str:
        """Those names in words; empty where no one may."""
        return " and also ".join(", ".join(names) for names in self.override_names)


@dataclass(frozen=True, slots=True)
class PartRuling:
    """What is decided about a part of a request; `decides` marks the strictest, where others are milder."""

    part: str
    ruling: Ruling
    decides: bool = False

    @property
    def words(self) -> str:
        """The decision and its rules in words: `step 3, resize: approve by the rule dear (decides the whole)`."""
        rules = self.ruling.rules
        by = f"by the {'rules' if len(rules) > 1 else 'rule'} {', '.join(rules)}" if rules else "as no rule matches"
        strictest = " (decides the whole)" if self.decides else ""
        return f"{self.part}: {self.ruling.decision} {by}{strictest}"


def _names(every: Sequence[Approvers]) -> list[list[str]]:
    return [[*approvers.people, *approvers.groups, *approvers.channels] for approvers in every]
