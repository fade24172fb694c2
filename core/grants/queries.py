"""Reads of grants, each within a scope: other workspaces' and those about hidden servers do not exist."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from vpsops.core.changes.scope import Scope, Visibility
from vpsops.core.common.clock import Clock
from vpsops.core.grants import repository
from vpsops.core.grants.lifecycle import IS_OPEN
from vpsops.core.grants.model import Grant, unknown_grant
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import latest_beat


def shows(visibility: Visibility, grant: Grant) -> bool:
    """Return whether a grant is visible."""
    return (not visibility.teams or grant.origin.team in visibility.teams) and visibility.shows(grant.target)


def load(connection: Connection, grant_id: str, visibility: Visibility) -> Grant:
    """Return a visible grant; raises `UnknownGrantError`."""
    grant = repository.find(connection, grant_id)
    if grant is None or not shows(visibility, grant):
        raise unknown_grant(grant_id)
    return grant


def open_in(connection: Connection, visibility: Visibility, now: datetime) -> list[Grant]:
    """Return the visible grants that are open, the newest first."""
    grants, beat = repository.select(connection, IS_OPEN), latest_beat(connection)
    return [grant for grant in grants if grant.is_open(grant.date_by(beat, now)) and shows(visibility, grant)]


class GrantQueries:
    """Finds and lists the grants that a scope shows."""

    __slots__ = ("_clock", "_database", "_visibility")

    def __init__(self, database: Database, clock: Clock, visibility: Callable[[Scope], Visibility]) -> None:
        self._database = database
        self._clock = clock
        self._visibility = visibility

    async def get(self, grant_id: str, *, scope: Scope) -> Grant:
        """Return a grant; raises `UnknownGrantError`."""
        return await self._database.read(lambda connection: load(connection, grant_id, self._visibility(scope)))

    async def list_open(self, *, scope: Scope, of: Actor | None = None) -> Sequence[Grant]:
        """Return the open grants, the newest first; those of an agent, or of all agents of a person, with `of`."""
        visibility, now = self._visibility(scope), self._clock.now()
        grants = await self._database.read(lambda connection: open_in(connection, visibility, now))
        return [grant for grant in grants if of is None or _is_of(grant, of)]


def _is_of(grant: Grant, actor: Actor) -> bool:
    """Return whether a grant is one of a person's agents, or this very agent's."""
    return grant.agent.same_human(actor) and (actor.kind is ActorKind.PERSON or actor.id == grant.agent.id)
