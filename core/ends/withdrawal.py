"""Takes back what an end asked for and what has not left: the stop of its server, or the request for its deletion."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import State
from vpsops.core.common.errors import StaleChangeError
from vpsops.core.common.json_types import Json
from vpsops.core.ends.lifecycle import change_state
from vpsops.core.ends.model import ServerEnd

UNSENT: Final = frozenset({State.HELD, State.APPROVED})
KEPT: Final = "Its server is kept for longer. Nothing was sent."


def withdraw_for_keeping(connection: Connection, end: ServerEnd, body: Mapping[str, Json], now: datetime) -> None:
    """Cancel the stop and the deletion of a server that is kept, where they have not left.

    Raises `StaleChangeError` where its deletion is on its way, for then there is nothing to keep.
    """
    for change_id in filter(None, (end.stop_id, end.delete_id)):
        known = change_state(connection, change_id)
        if known is None or known[0].final:
            continue
        if known[0] in UNSENT:
            _end(connection, change_id, State.CANCELLED, "cancelled", KEPT, body, now)
        elif change_id == end.delete_id:
            raise StaleChangeError(
                f"The deletion of {end.hostname} was approved, and is on its way ({change_id}).",
                hint="It cannot be kept any more. Look at that change.",
            )


def supersede_deletion(connection: Connection, end: ServerEnd, why: str, now: datetime) -> None:
    """End the request for a server's deletion where it has not left, for the server is in use again."""
    known = change_state(connection, end.delete_id) if end.delete_id else None
    if known is not None and known[0] in UNSENT:
        _end(connection, end.delete_id, State.SUPERSEDED, "superseded", f"{why} Nothing was sent.", {"why": why}, now)


def _end(  # noqa: PLR0913 - a step, all of it named
    connection: Connection,
    change_id: str,
    after: State,
    event: str,
    note: str,
    body: Mapping[str, Json],
    now: datetime,
) -> None:
    change = repository.load(connection, change_id, lock=True)
    repository.step(connection, change, after, now, event=event, body=body, note=note)
