"""Reads of grants and of agents, each within a scope: other workspaces' and those about hidden servers do not exist."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes.repository import of_teams
from vpsops.core.changes.scope import Scope, Visibility
from vpsops.core.changes.serialization import origin_of
from vpsops.core.common.clock import Clock
from vpsops.core.common.stored_values import moment
from vpsops.core.grants import repository
from vpsops.core.grants.agents import KnownAgent
from vpsops.core.grants.lifecycle import IS_OPEN
from vpsops.core.grants.model import Grant, unknown_grant
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.identity.serialization import actor_of
from vpsops.core.storage import rows
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import latest_beat
from vpsops.core.storage.rows import JsonText
from vpsops.core.storage.tables import CHANGES


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


MOST_READ: Final = 500
"""The newest requests of agents that are read to know the agents."""


def known_agents(connection: Connection, teams: frozenset[str]) -> list[KnownAgent]:
    """Return the agents of some workspaces that asked for changes, each as in its last request, the newest first."""
    agents = JsonText(CHANGES.c.actor, "kind") == ActorKind.AGENT.value
    columns = (CHANGES.c.id, CHANGES.c.actor, CHANGES.c.origin, CHANGES.c.created_at)
    query = sa.select(*columns).where(agents, *of_teams(teams)).order_by(CHANGES.c.created_at.desc())
    result: dict[tuple[str, ...], KnownAgent] = {}
    for agent in rows.read(connection, query, CHANGES.c.id, _agent, MOST_READ).rows:
        key = (agent.actor.id, agent.human, agent.origin.front, agent.origin.team)
        result.setdefault(key, agent)
    return list(result.values())


def _agent(row: sa.RowMapping) -> KnownAgent:
    seen_at = moment(row["created_at"])
    if seen_at is None:
        raise ValueError("a change has no time")
    return KnownAgent(actor_of(row["actor"]), origin_of(row["origin"]), row["id"], seen_at)


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

    async def list_open(
        self, *, scope: Scope, of: Actor | None = None, origin: Origin | None = None
    ) -> Sequence[Grant]:
        """Return the open grants, the newest first; those of an agent, or of all agents of a person, with `of`.

        With `origin` those that an agent's token is for: another token of the same client is another agent.
        """
        visibility, now = self._visibility(scope), self._clock.now()
        grants = await self._database.read(lambda connection: open_in(connection, visibility, now))
        own = [grant for grant in grants if of is None or _is_of(grant, of)]
        return [grant for grant in own if origin is None or _is_from(grant.origin, origin)]


def _is_of(grant: Grant, actor: Actor) -> bool:
    """Return whether a grant is one of a person's agents, or this very agent's."""
    return grant.agent.same_human(actor) and (actor.kind is ActorKind.PERSON or actor.id == grant.agent.id)


def _is_from(granted: Origin, origin: Origin) -> bool:
    return (granted.front, granted.credential) == (origin.front, origin.credential)
