"""What plans were agreed to, member by member, so that each send looks at its own member alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from sqlalchemy.engine import Connection

from vpsops.core.changes.model import Change
from vpsops.core.plans.model import MemberState, digest_of_member, digest_of_members
from vpsops.core.plans.repository import count_members, member_of, members_of

KEPT: Final = 16
"""Plans of which a process remembers the members at a time; any other is read whole again."""

Seal = Mapping[int, str]
"""The digest of each member by its ordinal, of members whose common digest is the one that was agreed to."""


@dataclass(frozen=True, slots=True)
class MemberSeals:
    """Plans with members that this process found once to be those that were agreed to; usable from any thread."""

    _seals: dict[tuple[str, str], Seal] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def holds(self, connection: Connection, plan: Change, change: Change) -> bool:
        """Return whether a plan, as it was agreed to, has a change as the member that it begins now.

        Its members are read whole for the first send that this process makes of it; then the one member is compared
        with what it was, and the number of all. Raises `UnreadableRowError`.
        """
        member = member_of(connection, plan.id, change.id)
        if member is None or member.state is not MemberState.RUNNING or member.operation != change.operation:
            return False
        seal = self._seal(connection, plan)
        whole = seal.get(member.ordinal) == digest_of_member(member) and count_members(connection, plan.id) == len(seal)
        return whole and change.digest in member.digests

    def _seal(self, connection: Connection, plan: Change) -> Seal:
        """Return the seal of a plan; an empty one, which is not kept, where its members are others."""
        agreed = str(plan.arguments.get("members") or "")
        with self._lock:
            known = self._seals.get((plan.id, agreed))
        if known is not None:
            return known
        members = members_of(connection, plan.id)
        if digest_of_members(members) != agreed:
            return {}
        seal = {member.ordinal: digest_of_member(member) for member in members}
        with self._lock:
            self._seals[plan.id, agreed] = seal
            for oldest in list(self._seals)[:-KEPT]:
                del self._seals[oldest]
        return seal
