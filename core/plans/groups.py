"""Groups of servers by the value of a label, and how many of one may be down at a time."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import State
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.families.parts import started
from vpsops.core.operations.registry import Risk
from vpsops.core.operations.target import ServerName, Target
from vpsops.core.operations.traits import risk_of
from vpsops.core.plans.model import PlanMember
from vpsops.core.storage.tables import CHANGES
from vpsops.core.wayscloud.answers.labels import label_term, label_words
from vpsops.core.wayscloud.answers.models import ProviderList, Server

Shares = Sequence[tuple[str, int]]
"""For the keys of labels, how many servers with the same value may be down."""
UNDER_WAY: Final = (State.APPROVED, State.SENDING, State.UNKNOWN, State.WATCHING, State.NEEDS_PERSON)
DOWN_MEANWHILE: Final = frozenset({Risk.DISRUPTIVE, Risk.DESTRUCTIVE})
NAMED: Final = 3
"""Servers of a group that a reason names."""
NOT_KNOWN: Final = Target("", "")
"""The server of a change that this version cannot read: it may be of every group."""


def too_many_down(members: Sequence[PlanMember], shares: Shares) -> str:
    """Return why a plan that has its servers down together can never keep to the shares, or ""."""
    staying = _most_down(members)
    for key, most in shares:
        if any(member.target.labels is None for member in staying):
            return _unknown(key)
        counts = Counter(value for member in staying for value in _values(member.target.labels or (), key))
        value, count = counts.most_common(1)[0] if counts else ("", 0)
        if count > most:
            return f"it would take {count} servers of {key}={value} down, and at most {most} may be"
    return ""


def _most_down(members: Sequence[PlanMember]) -> list[PlanMember]:
    """Return the members that leave their servers down, as many as are down together where none of them fails.

    In a runbook a later step may start what an earlier one stopped.
    """
    down: dict[str, PlanMember] = {}
    most: list[PlanMember] = []
    for member in members:
        operation = OPERATIONS[member.operation]
        if operation.leaves_down and not member.compensates:
            down[member.target.id] = member
        elif operation.leads_to is started and not member.compensates:
            down.pop(member.target.id, None)
        most = max(most, list(down.values()), key=len)
    return most


def group_in_the_way(
    member: PlanMember,
    servers: Sequence[Server],
    under_way: Iterable[Target],
    shares: Shares,
    named: Sequence[ServerName] = (),
) -> str:
    """Return why a member would take too many of a group down now, or "".

    `named` are the servers of the plan, which its people know; others are only counted.

    `servers` is the provider's list and `under_way` the servers that changes may take down meanwhile. A server that is
    not surely up counts as down, one with unknown labels belongs to every group, and a list that is not whole may lack
    one that is down.
    """
    if risk_of(member.operation) is not Risk.DISRUPTIVE:
        return ""
    others = {server.id: label_words(server.labels) for server in servers if not server.ready}
    others |= {target.id: target.labels for target in under_way}
    others.pop(member.target.id, None)
    lack = servers.lack if isinstance(servers, ProviderList) else ""
    for key, most in shares:
        if member.target.labels is None:
            return _unknown(key)
        for value in sorted(_values(member.target.labels, key)):
            if lack:
                return f"others of {key}={value} may be down: {lack}"
            down = [ident for ident, labels in others.items() if labels is not None and value in _values(labels, key)]
            unknown = sum(labels is None for labels in others.values())
            if len(down) + unknown + 1 > most:
                more = f" (and {unknown} with unknown labels)" if unknown else ""
                return f"{len(down)} of {key}={value} are down{_names(down, named)}{more}, and at most {most} may be"
    return ""


def _names(down: Sequence[str], named: Sequence[ServerName]) -> str:
    """Return those of a plan's own servers that are down, and how many others are: ` (web02 and 1 more)`."""
    known = {server.id: server.hostname for server in named}
    own = [known[ident] for ident in down if ident in known]
    if not own:
        return ""
    shown, more = own[:NAMED], len(down) - min(len(own), NAMED)
    return f" ({', '.join(shown)} and {more} more)" if more else f" ({', '.join(shown)})"


def may_take_down() -> sa.ColumnElement[bool]:
    """The condition that a change may take its server down; one of an operation that is not known here may."""
    mild = [name for name, operation in OPERATIONS.items() if operation.risk not in DOWN_MEANWHILE]
    return CHANGES.c.operation.not_in(mild)


def servers_under_way(connection: Connection, *, but: str = "") -> list[Target]:
    """Return the servers that open changes, but one by its id, may take down until they end; it asks no provider."""
    own = CHANGES.c.lock.is_not(None) & (CHANGES.c.id != but)
    changes = repository.batch(connection, own, repository.in_states(*UNDER_WAY), may_take_down(), limit=None)
    return [change.target for change in changes.rows] + [NOT_KNOWN] * bool(changes.unreadable)


def _values(labels: Iterable[str], key: str) -> frozenset[str]:
    """Return the values of a key as filters and rules compare them: several keys may read the same."""
    terms = (label_term(word).partition("=") for word in labels)
    return frozenset(value for name, _, value in terms if name == label_term(key) and value)


def _unknown(key: str) -> str:
    return f"the labels of a server are not known, so it may be one of a group by {key}"
