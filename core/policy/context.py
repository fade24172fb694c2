"""The facts of a request that rules are evaluated against."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import translate
from typing import Self

from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.registry import Risk
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.labels import label_terms
from vpsops.core.wayscloud.answers.models import canonical_region

BILLED = frozenset(name for name, operation in OPERATIONS.items() if operation.billed)
"""Operations with a price; the others have none, which is not the same as unknown."""


GRANTABLE = frozenset(
    name
    for name, operation in OPERATIONS.items()
    if operation.takes_server and not operation.billed and operation.risk in {Risk.CHANGE, Risk.DISRUPTIVE}
)
"""Operations that approvers may grant for a time: what destroys or costs money takes votes each time."""


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """The facts that a rule may use. `target` is absent for an operation on no server; `cost` is a month's price.

    An empty field of a target, no labels of it (an empty tuple is none), an empty region, no cost of an operation
    that has one, no group and no human behind an agent mean unknown. `now` is aware; ValueError otherwise.
    """

    operation: str
    risk: Risk
    actor: Actor
    origin: str
    now: datetime
    target: Target | None = None
    region: str = ""
    cost: float | None = None

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("now has no time zone")

    @property
    def is_grantable(self) -> bool:
        """Return whether approvers may let this requester repeat this operation without votes for a time."""
        return self.actor.kind is ActorKind.AGENT and self.operation in GRANTABLE


@dataclass(frozen=True, slots=True)
class NormalizedContext:
    """Facts as conditions compare them: in one case, regions in one spelling. None means unknown."""

    facts: PolicyContext
    people: frozenset[str]
    groups: frozenset[str] | None
    knows_human: bool
    ident: str
    hostname: str
    region: str | None
    cost: float | None
    labels: frozenset[str] | None

    @classmethod
    def of(cls, facts: PolicyContext) -> Self:
        """Prepare facts once for all the rules."""
        actor, target = facts.actor, facts.target
        region = facts.region or (target.region if target else "")
        cost = facts.cost
        return cls(
            facts=facts,
            people=actor.identities,
            groups=frozenset(group.lower() for group in actor.groups) or None,
            knows_human=actor.kind is ActorKind.PERSON or bool(actor.human),
            ident=target.id.lower() if target else "",
            hostname=target.hostname.lower().rstrip(".") if target else "",
            region=canonical_region(region) if region.strip() else None,
            cost=None if cost is None or math.isnan(cost) else cost,
            labels=label_terms(target.labels) if target else None,
        )


def known_name(ident: str, hostname: str) -> str:
    """Return a hostname as limits compare it; empty where the provider gave none, and the id is shown in its place."""
    name = hostname.lower().rstrip(".")
    return "" if name == ident.lower() else name


@dataclass(frozen=True, slots=True)
class ServerPatterns:
    """Servers by hostname, hostname pattern or exact id.

    A name or pattern without a dot is about the first label too: `db01` means db01.example.com as well,
    as it does wherever people name a server. Patterns never match ids, which begin with anything.
    """

    exact: frozenset[str] = frozenset()
    globs: frozenset[str] = frozenset()
    full: re.Pattern[str] | None = field(default=None, compare=False)
    label: re.Pattern[str] | None = field(default=None, compare=False)

    @classmethod
    def of(cls, words: Iterable[str]) -> Self:
        """Compile words in lower case, once."""
        every = frozenset(words)
        globs = frozenset(word for word in every if is_glob(word))
        return cls(every - globs, globs, _any_of(globs), _any_of(glob for glob in globs if "." not in glob))

    def hold(self, ident: str, hostname: str) -> bool | None:
        """Return whether this server is meant; None when it depends on an unknown hostname."""
        if "*" in self.globs or (ident and ident in self.exact):
            return True
        if not hostname:
            return None
        return not self.exact.isdisjoint({hostname, first_label(hostname)}) or self._patterns(hostname)

    def _patterns(self, hostname: str) -> bool:
        if self.full is not None and self.full.match(hostname):
            return True
        return self.label is not None and self.label.match(first_label(hostname)) is not None


def is_glob(word: str) -> bool:
    """Return whether a word is a pattern."""
    return any(sign in word for sign in "*?[")


def first_label(hostname: str) -> str:
    """Return a hostname up to its first dot."""
    return hostname.split(".", 1)[0]


def _any_of(globs: Iterable[str]) -> re.Pattern[str] | None:
    parts = [translate(glob) for glob in sorted(globs)]
    return re.compile("|".join(parts)) if parts else None


def _is_wider(glob: str, word: str) -> bool:
    """`db*` is wider than `db-prod-*` and `db*.example.com`; a bare word might be an id, which no pattern matches."""
    begin = glob.removesuffix("*")
    if is_glob(begin) or glob == begin:
        return False
    return word.startswith(begin) and (is_glob(word) or "." in word)


def servers_cover(outer: frozenset[str], inner: frozenset[str]) -> bool:
    """Return whether every server that `inner` means is meant by `outer` too, as far as the patterns show."""
    globs = [pattern for pattern in outer if is_glob(pattern)]
    return "*" in outer or all(pattern in outer or any(_is_wider(glob, pattern) for glob in globs) for pattern in inner)
