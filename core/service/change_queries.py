"""Reads of changes, each within a scope."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy.engine import Connection

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import Pause
from vpsops.core.authorization.change_reader import ChangeReader, at_rest
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.break_glass import repository as reviews
from vpsops.core.changes.approvals import waits_for_votes
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.queries import MAX_CHANGES, count_by_state, select_by_ids, select_page, select_scheduled
from vpsops.core.changes.scope import ChangePage, ChangeQuery, Scope
from vpsops.core.common.timings import CHANGE_POLL_SECONDS
from vpsops.core.execution.card_refresh import mine_to_refresh
from vpsops.core.identity import group_names
from vpsops.core.identity.actors import union_of
from vpsops.core.messaging import outbox, posted_messages
from vpsops.core.outcomes.typical_durations import TypicalDurations
from vpsops.core.service.backend import Backend
from vpsops.core.service.dashboard import Onlooker, Overview, overview_of

MAX_REVIEWS: Final = 100
"""The most open reviews that are listed."""


def with_group_names(connection: Connection, change: Change) -> Change:
    """Return a change that waits for votes with what Slack calls the groups of those who may vote."""
    ruling = change.ruling
    named = (ruling.approvers, *ruling.requirements, *ruling.overrides) if waits_for_votes(change) else ()
    groups = union_of(named).groups
    return replace(change, group_names=group_names.read(connection, groups)) if groups else change


class ChangeQueries:
    """Finds, lists, counts and follows the changes that a scope shows."""

    __slots__ = ("_backend",)

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def get(self, change_id: str, *, scope: Scope) -> Change:
        """Return a change; raises `UnknownChangeError`."""
        reader = ChangeReader(scope, self._backend.workspaces)
        return await self._backend.database.read(
            lambda connection: with_group_names(connection, reader.load(connection, change_id))
        )

    async def get_with_copies(
        self, change_id: str, *, scope: Scope
    ) -> tuple[Change, Sequence[posted_messages.PostedMessage]]:
        """Return a change and where its messages are posted, as of one moment; raises `UnknownChangeError`."""
        reader, topic = ChangeReader(scope, self._backend.workspaces), outbox.topic_of(change_id)
        return await self._backend.database.read(
            lambda connection: (reader.load(connection, change_id), posted_messages.copies_in(connection, topic))
        )

    async def page(self, query: ChangeQuery, *, scope: Scope) -> ChangePage:
        """Return a page of changes, newest first; it may be short although more pages follow."""
        visibility = self._backend.visibility(scope)
        return await self._backend.database.read(lambda connection: select_page(connection, query, visibility))

    async def list(self, *, open_only: bool = False, limit: int = 20, scope: Scope) -> Sequence[Change]:
        """Return the newest changes."""
        query = ChangeQuery(open_only=open_only, limit=min(limit, MAX_CHANGES))
        return list((await self.page(query, scope=scope)).changes)

    async def scheduled(self, *, scope: Scope) -> Sequence[Change]:
        """Return the changes that run later, the next one first."""
        visibility = self._backend.visibility(scope)
        return await self._backend.database.read(lambda connection: select_scheduled(connection, visibility))

    async def count_by_state(self, query: ChangeQuery, *, scope: Scope) -> Mapping[State, int]:
        """Return how many changes are in which state."""
        visibility = self._backend.visibility(scope)
        return await self._backend.database.read(lambda connection: count_by_state(connection, query, visibility))

    async def by_ids(self, ids: Sequence[str], *, scope: Scope) -> Sequence[Change]:
        """Return the existing changes among `ids`."""
        visibility = self._backend.visibility(scope)
        return await self._backend.database.read(lambda connection: select_by_ids(connection, ids, visibility))

    async def open_reviews(self, *, scope: Scope) -> Sequence[Change]:
        """Return the changes that ran without votes and have an open review, the oldest first."""
        visibility = self._backend.visibility(scope)

        def find(connection: Connection) -> Sequence[Change]:
            ids = reviews.open_ids(connection, MAX_REVIEWS, visibility.teams)
            changes = {change.id: change for change in select_by_ids(connection, ids, visibility)}
            return [changes[ident] for ident in ids if ident in changes]

        return await self._backend.database.read(find)

    async def for_review(self, changes: Sequence[Change]) -> Sequence[Change]:
        """Return changes that ran without votes, each with the ruling that says who may close its review now."""
        recheck = Recheck(self._backend.policy, self._backend.timing)
        return await self._backend.database.read(
            lambda connection: [recheck.as_reviewed(connection, change) for change in changes]
        )

    async def for_settlement(self, changes: Sequence[Change]) -> Sequence[Change]:
        """Return changes, those with an unknown outcome with the ruling that says who may settle each now."""
        recheck = Recheck(self._backend.policy, self._backend.timing)
        return await self._backend.database.read(
            lambda connection: [recheck.as_settled(connection, change) for change in changes]
        )

    async def overview(self, onlooker: Onlooker) -> Overview:
        """Return what concerns a person now; raises `StorageError`."""
        return await overview_of(self._backend.database, onlooker, self._backend.clock.now())

    async def to_refresh(self, process: str) -> Sequence[str]:
        """Return the ids of changes in progress, oldest first, if no other living process refreshes their cards."""
        return await mine_to_refresh(self._backend.database, process)

    def typical_durations(self) -> TypicalDurations:
        """Return how long operations usually take, as read and kept by its holder."""
        return TypicalDurations(self._backend.database, self._backend.clock)

    async def agents_paused(self) -> Pause:
        """Return whether agents are paused, and who paused them."""
        return await self._backend.database.read(agent_pause.read)

    async def wait(
        self,
        change_id: str,
        *,
        seconds: float,
        until: Callable[[Change], bool] | None = None,
        scope: Scope,
    ) -> Change:
        """Return the change once `until` holds (by default: nothing more happens soon), or after `seconds`."""
        reached, clock, signals = until or at_rest, self._backend.clock, self._backend.database.signals
        deadline = clock.monotonic() + seconds
        while True:
            mark = signals.mark(outbox.topic_of(change_id))
            change = await self.get(change_id, scope=scope)
            left = deadline - clock.monotonic()
            if reached(change) or left <= 0:
                return change
            await signals.wait(min(left, CHANGE_POLL_SECONDS), since=mark)
