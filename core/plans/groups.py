"""Groups of servers by the value of a label, and how many of one may be down at a time."""

from collections import Counter
from collections.abc import Collection, Sequence

from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.families.parts import started
from vpsops.core.operations.registry import Risk
from vpsops.core.operations.traits import risk_of
from vpsops.core.plans.model import PlanMember
from vpsops.core.wayscloud.answers.labels import label_words, value_in
from vpsops.core.wayscloud.answers.models import Server

Shares = Sequence[tuple[str, int]]
"""For the keys of labels, how many servers with the same value may be down."""


def too_many_down(members: Sequence[PlanMember], shares: Shares) -> str:
    """Return why a plan that has its servers down together can never keep to the shares, or ""."""
    staying = _most_down(members)
    for key, most in shares:
        if any(member.target.labels is None for member in staying):
            return _unknown(key)
        counts = Counter(value for member in staying if (value := value_in(member.target.labels, key)))
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


def group_in_the_way(member: PlanMember, servers: Sequence[Server], running: Collection[str], shares: Shares) -> str:
    """Return why a member would take too many of a group down now, or ""; `running` are ids of servers under way.

    A server that is not surely up counts as down, and one with unknown labels belongs to every group.
    """
    if risk_of(member.operation) is not Risk.DISRUPTIVE:
        return ""
    for key, most in shares:
        if member.target.labels is None:
            return _unknown(key)
        value = value_in(member.target.labels, key)
        others = [server for server in servers if server.id != member.target.id]
        down = [server for server in others if not server.ready or server.id in running]
        count = sum(_belongs(server, key, value) for server in down)
        if value and count + 1 > most:
            return f"{count} of {key}={value} are down, and at most {most} may be"
    return ""


def _belongs(server: Server, key: str, value: str) -> bool:
    words = label_words(server.labels)
    return words is None or value_in(words, key) == value


def _unknown(key: str) -> str:
    return f"the labels of a server are not known, so it may be one of a group by {key}"
