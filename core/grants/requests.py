"""A request for a grant: what is asked for, what people are shown of it, and the grant that their votes open.

It is a change of its own, `grant_` and the operation, which is held for the votes that the operation itself would need
on each of its servers. Its servers are stored as a plan's members are.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from vpsops.core.changes.model import AGENT, Change, digest_of
from vpsops.core.changes.preview import Preview
from vpsops.core.changes.requests import Request
from vpsops.core.common.errors import InvalidInputError, NotAllowedError
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import count_text, duration, one_line
from vpsops.core.common.timings import SHORTEST_GRANT_SECONDS
from vpsops.core.grants.agents import KnownAgent
from vpsops.core.grants.model import NO_TERMS, Grant, GrantState
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.arguments import arguments_of
from vpsops.core.operations.facts import Fact
from vpsops.core.operations.target import ServerName, Target, granted_in, is_grant_request
from vpsops.core.operations.traits import grant_request_of
from vpsops.core.plans.model import PlanMember, digest_of_members
from vpsops.core.plans.names import listed_names
from vpsops.core.plans.strictness import strictest
from vpsops.core.policy.context import GRANTABLE
from vpsops.core.policy.decision import Decision, GrantTerms, Ruling

WITH_OTHERS: Final = "It takes more than a server, so it is granted on the card of a change that its agent asks for."
TIME: Final = re.compile(r"([0-9]{1,4})(m|min|mins|minutes?|h|hours?)", re.IGNORECASE)
PERSON: Final = "Its person"
"""The label of the fact that names the agent's person."""
CHANGED: Final = "Its servers are not as they were shown."


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """A request that an agent may repeat an operation for a time.

    `request` names the operation and who asks; `servers` are names, or the patterns of a rule; without `uses` as many
    as the rule lets. `agent` and `human` name the agent; without them the asking agent itself is meant.
    """

    request: Request
    servers: tuple[str, ...]
    seconds: float
    uses: int | None = None
    agent: str = ""
    human: str = ""


@dataclass(frozen=True, slots=True)
class GrantOffer:
    """All that is shown of a grant that was asked for: for whom, within which terms, on which servers."""

    operation: Operation
    agent: Actor
    origin: Origin
    terms: GrantTerms
    members: tuple[PlanMember, ...]
    seen: KnownAgent | None = None  # None where the agent asks for itself

    @property
    def target(self) -> Target:
        """Its servers, as what the request is about."""
        names = tuple(ServerName(member.target.id, member.target.hostname) for member in self.members)
        many = count_text(len(names), "server") if len(names) > 1 else names[0].hostname
        return Target("", ", ".join(self.terms.servers) or many, labels=(), members=names)

    @property
    def arguments(self) -> dict[str, Json]:
        """All of it as the request holds it, so that its digest covers each part."""
        return {
            AGENT: stored_agent(self.agent),
            "origin": self.origin.front,
            "team": self.origin.team,
            "credential": self.origin.credential,
            "patterns": list(self.terms.servers),
            "servers": [member.target.id for member in self.members],
            "members": digest_of_members(self.members),
            "states": list(self.terms.states),
            "seconds": self.terms.seconds,
            "uses": self.terms.uses,
        }

    @property
    def preview(self) -> Preview:
        """Return what people are shown."""
        return Preview(grant_request_of(self.operation).name, self.arguments, self.target, facts=tuple(self._facts()))

    def _facts(self) -> list[Fact]:
        terms, names = self.terms, listed_names([member.target.hostname for member in self.members])
        seen = self.seen
        facts = [
            Fact("Agent", self.agent.cited),
            Fact(PERSON, one_line(self.agent.person, 120)),
            Fact("Its token", f"that of its last request, {seen.change_id}" if seen else "that of this request"),
            Fact("Operation", self.operation.word),
            Fact("Servers", f"all of the rule: {', '.join(terms.servers)}; now {names}" if terms.servers else names),
            Fact("Lasts", f"{duration(terms.seconds)} from the last vote"),
            Fact("Uses", f"at most {terms.uses}"),
        ]
        return [*facts, *([Fact("While", " or ".join(terms.states))] if terms.states else [])]


def stored_agent(agent: Actor) -> dict[str, Json]:
    """Return an agent as a request for a grant holds it."""
    return {
        "kind": agent.kind.value,
        "id": agent.id,
        "name": agent.name,
        "human": agent.human,
        "aliases": list(agent.aliases),
        "groups": [],
        "account": agent.account,
    }


def grant_seconds(text: str) -> float:
    """Return a typed time such as `30m` or `2 hours` in seconds; raises `InvalidInputError` for any other text."""
    match = TIME.fullmatch("".join(text.split()))
    if match is None:
        raise InvalidInputError(f"{one_line(text, 40) or 'Nothing'} is no time.", hint="Write 30m or 2h.")
    return float(int(match[1]) * (60 if match[2][0].lower() == "m" else 3600))


def grantable(name: str) -> Operation:
    """Return an operation that can be granted on request; raises `InvalidInputError`."""
    operation = OPERATIONS.get(name)
    if operation is None or name not in GRANTABLE:
        words = ", ".join(OPERATIONS[granted].word for granted in grantable_names())
        what = operation.word if operation is not None else one_line(name, 40)
        why = "Never what destroys or has a price; what" if operation is not None else "What"
        raise InvalidInputError(f"{what} cannot be granted.", hint=f"{why} can be granted: {words}.")
    if not _is_alone(operation):
        raise InvalidInputError(f"{operation.word} cannot be granted on request.", hint=WITH_OTHERS)
    return operation


def grantable_names() -> list[str]:
    """Return the operations that can be granted on request, in the registry's order."""
    return [name for name, operation in OPERATIONS.items() if name in GRANTABLE and _is_alone(operation)]


def _is_alone(operation: Operation) -> bool:
    """Return whether an operation takes nothing but a server, so that a request says all of it."""
    return len(arguments_of(operation.arguments)) == 1


def member_of(ordinal: int, operation: Operation, target: Target, policy: str) -> PlanMember:
    """Return a server of a request, with a digest of what was shown of it."""
    arguments: dict[str, Json] = {"server": target.id}
    digest = digest_of(operation.name, arguments, target, [], policy)
    return PlanMember(ordinal, operation.name, arguments, target, digest)


def asked_terms(asked: GrantRequest, rulings: Sequence[tuple[str, Ruling]]) -> GrantTerms:
    """Return the terms of a grant within those of every ruling; `rulings` come with the names of their servers.

    Raises `InvalidInputError` with what can be written where it asks for more than one of them lets approvers grant.
    """
    terms = [_terms_of(name, ruling) for name, ruling in rulings]
    longest, most = min(each.seconds for each in terms), min(each.uses for each in terms)
    if not SHORTEST_GRANT_SECONDS <= asked.seconds <= longest:
        raise InvalidInputError(
            f"{duration(asked.seconds) if 0 < asked.seconds < math.inf else 'That time'} cannot be granted here.",
            hint=f"Write a time from {duration(SHORTEST_GRANT_SECONDS)} to {duration(longest)}.",
        )
    uses = most if asked.uses is None else asked.uses
    if not 1 <= uses <= most:
        raise InvalidInputError(f"{uses} uses cannot be granted here.", hint=f"Write uses from 1 to {most}.")
    restricted = [frozenset(each.states) for each in terms if each.states]
    states = frozenset.intersection(*restricted) if restricted else frozenset[str]()
    if restricted and not states:
        raise InvalidInputError("These servers share no state in which a grant holds.", hint="Ask for them in parts.")
    return GrantTerms(asked.seconds, uses, (), tuple(sorted(states)))


def _terms_of(name: str, ruling: Ruling) -> GrantTerms:
    """Return what approvers may grant on a server; raises `InvalidInputError` where nothing."""
    if ruling.decision is Decision.APPROVE and ruling.grant_terms is not None:
        return ruling.grant_terms
    why = {
        Decision.DENY: f"The policy refuses it. {ruling.reason}".strip(),
        Decision.ALLOW: "It needs no votes there, so no grant.",
        Decision.CONFIRM: "It needs the word of the agent's own human there, which no grant replaces.",
        Decision.APPROVE: NO_TERMS,
    }[ruling.decision]
    rules = f" Rules: {', '.join(ruling.rules)}." if ruling.rules else ""
    raise InvalidInputError(f"No grant on {name}. {why}{rules}", hint="Name other servers, or ask for each change.")


def combined_ruling(rulings: Sequence[Ruling]) -> Ruling:
    """Return the strictest ruling over the servers of a request, which itself is neither granted nor overridden."""
    return replace(strictest(rulings), grant_terms=None, overrides=())


def requested_grant(ident: str, change: Change, members: Sequence[PlanMember], now: datetime) -> Grant:
    """Return the grant that the votes on a request open; its time counts from the last of them.

    Raises `NotAllowedError` where the stored servers are not those that were shown.
    """
    stored = change.arguments
    if digest_of_members(members) != stored.get("members") or not members:
        raise NotAllowedError(CHANGED, hint="Nothing was granted. Ask again.")
    terms = terms_of(change)
    return Grant(
        id=ident,
        state=GrantState.OPEN,
        source=change.id,
        agent=change.agent,
        origin=origin_of_agent(change),
        operation=granted_in(change.operation),
        arguments={},
        target=members[0].target if len(members) == 1 and not terms.servers else change.target,
        servers=terms.servers,
        states=terms.states,
        ruling=replace(change.ruling, grant_terms=terms),
        uses=terms.uses,
        used=0,
        opened_at=now,
        until=now + timedelta(seconds=terms.seconds),
    )


def terms_of(change: Change) -> GrantTerms:
    """Return the terms that a stored request asks for; raises on what is not readable."""
    stored: Mapping[str, Any] = change.arguments
    patterns, states = (tuple(str(word) for word in stored[name]) for name in ("patterns", "states"))
    return GrantTerms(float(stored["seconds"]), int(stored["uses"]), patterns, states)


def asker_in(source: Change | None) -> Actor | None:
    """Return the person who asked for a grant, by the change that opened it; None where votes on a change did."""
    is_request = source is not None and is_grant_request(source.operation)
    return source.actor if source is not None and is_request and source.actor.kind is ActorKind.PERSON else None


def origin_of_agent(change: Change) -> Origin:
    """Return where the requests of the agent come from that a stored request is for."""
    stored = change.arguments
    front, team, credential = (str(stored.get(name) or "") for name in ("origin", "team", "credential"))
    return Origin(front, team, credential=credential)


def exceeds(change: Change, ruling: Ruling) -> str:
    """Return why the terms in force for a server let no such grant be opened any more; empty where they do."""
    terms, asked = ruling.grant_terms, terms_of(change)
    if ruling.decision is not Decision.APPROVE or terms is None:
        return "Its rules do not let approvers grant it now."
    if asked.seconds > terms.seconds or asked.uses > terms.uses:
        return f"Its rules let approvers grant {terms.words} now."
    return "" if asked.servers in {(), terms.servers} else "Its rules name other servers now."
