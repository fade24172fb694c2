"""Creates of one hostname: a second one waits until the first is settled, and until the provider's list may show it.

A list may lag behind, or show a server only once it is ready, so that the check before a create proves little alone.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.timings import APPEARING_SECONDS
from vpsops.core.operations.traits import makers_of_servers, makes_server
from vpsops.core.storage.tables import CHANGES
from vpsops.core.wayscloud.answers.hostnames import canonical_hostname

SENT = (State.SENDING, State.WATCHING, State.UNKNOWN, State.NEEDS_PERSON)
WAITING = (State.HELD, State.SCHEDULED, State.APPROVED)


class TwinError(VpsopsError):
    """Another create of the same hostname, `twin`, is not settled, or made its server a moment ago."""

    def __init__(self, twin: Change) -> None:
        super().__init__(_reason(twin), hint=f"Look at {twin.id}, then ask again.")
        self.twin = twin


def check_twins(connection: Connection, change: Change, now: datetime, *, waiting: bool = False) -> None:
    """Raise `TwinError` where a create of the same hostname, in any spelling, comes before this create.

    With `waiting` also where the other one has not left yet: it is first.
    """
    if not makes_server(change.operation):
        return
    made = (CHANGES.c.state == State.SUCCEEDED.value) & (CHANGES.c.settled_at > now.timestamp() - APPEARING_SECONDS)
    open_ones = repository.in_states(*SENT, *(WAITING if waiting else ()))
    where = CHANGES.c.operation.in_(makers_of_servers()) & (CHANGES.c.id != change.id) & (open_ones | made)
    twins = repository.select(connection, where, _spelled(change.target.hostname), limit=1)
    if twins:
        raise TwinError(twins[0])


def check_scheduled_twin(connection: Connection, change: Change) -> None:
    """Raise `TwinError` where the same is asked for already, on the same server, to run in the same time."""
    schedule = change.schedule
    if schedule is None:
        return
    same = (CHANGES.c.operation == change.operation) & (CHANGES.c.server == change.target.id.lower())
    waiting = repository.in_states(State.HELD, State.SCHEDULED) & CHANGES.c.run_at.is_not(None)
    others = repository.select(connection, same, waiting, CHANGES.c.id != change.id)
    for other in others:
        if other.schedule and other.schedule.overlaps(schedule) and other.arguments == change.arguments:
            raise TwinError(other)


def _spelled(hostname: str) -> sa.ColumnElement[bool]:
    """The condition that a stored hostname can mean the same host: the full name, or the first label alone."""
    name = canonical_hostname(hostname)
    label, dot, _ = name.partition(".")
    if dot:
        return CHANGES.c.hostname.in_((name, label))
    return (CHANGES.c.hostname == label) | CHANGES.c.hostname.startswith(f"{label}.", autoescape=True)


def _reason(twin: Change) -> str:
    name = twin.target.hostname
    if twin.state is State.SUCCEEDED:
        minutes = APPEARING_SECONDS / 60
        return f"{twin.id} made {name} less than {minutes:.0f} minutes ago; the provider's list may not show it yet."
    return f"{twin.id} asked the provider for {name} and is not settled: it is {twin.state.value.replace('_', ' ')}."
