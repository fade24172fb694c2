"""What the changes of an end have in common: its server as vpsops left it, the asker, and the change to store."""

import secrets
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.authorization.submission import facts
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.preview import Preview
from vpsops.core.changes.requests import Request
from vpsops.core.common.text import moment
from vpsops.core.ends.model import KnownServer, ServerEnd
from vpsops.core.operations import OPERATIONS
from vpsops.core.policy.decision import Ruling
from vpsops.core.policy.model import Policy
from vpsops.core.storage.tables import CHANGES
from vpsops.core.workspaces.model import Workspaces

RESIZE: Final = "resize"


class EndRefusedError(Exception):
    """What an end would do may not be done by itself; the text, for people, says why."""


def known_server(connection: Connection, end: ServerEnd) -> KnownServer:
    """Return a server as vpsops left it: as it was made, or with the plan that a change moved it to."""
    moved = sa.select(CHANGES.c.arguments).where(
        CHANGES.c.server == end.server_id.lower(),
        CHANGES.c.operation == RESIZE,
        CHANGES.c.state == State.SUCCEEDED.value,
    )
    plans = frozenset(str(arguments.get("plan", "")) for arguments in connection.scalars(moved))
    return KnownServer(end.hostname, end.plan, plans)


def ruling_of(end: ServerEnd, seen: Preview, policy: Policy, workspaces: Workspaces, now: datetime) -> Ruling:
    """Return the ruling on what an end would do: the actor is its owner, with the origin of the create."""
    ruling = policy.decide(facts(OPERATIONS[seen.operation], end.owner, end.origin, seen.target, None, now))
    return workspaces.ruling_of(ruling, end.origin.team)


def change_of(  # noqa: PLR0913 - everything that differs between the changes of an end
    end: ServerEnd, seen: Preview, ruling: Ruling, reason: str, now: datetime, held_until: datetime | None = None
) -> Change:
    """Return the change that an end stores: approved, or held until a moment."""
    return Change(
        id=f"chg_{secrets.token_hex(6)}",
        version=1,
        state=State.HELD if held_until else State.APPROVED,
        operation=seen.operation,
        arguments=seen.arguments,
        target=seen.target,
        actor=end.owner,
        origin=end.origin,
        reason=f"Its end at {moment(end.ends_at)}, {reason}",
        ruling=ruling,
        digest=seen.digest(ruling.policy),
        created_at=now,
        expires_at=held_until,
        updated_at=now,
        cost=seen.cost,
        facts=seen.facts,
        effect=f"{OPERATIONS[seen.operation].effect} {seen.warning}".strip(),
    )


def request_of(end: ServerEnd, change: Change) -> Request:
    """Return the request that the audit trail keeps of a change of an end."""
    return Request(change.operation, change.arguments, end.owner, end.origin, reason=change.reason)
