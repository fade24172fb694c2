"""Looks at the ends of servers in every process that runs changes; each step is stored once, by compare-and-set.

Dates are believed as for scheduled changes (`SteadyDate`): none that is set forward stops a server early.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from sqlalchemy.engine import Connection

from vpsops.core.changes.model import State
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StaleChangeError, StorageError
from vpsops.core.common.supervision import RoundRecorder, error_id_of, no_record
from vpsops.core.ends import lifecycle
from vpsops.core.ends import repository as ends
from vpsops.core.ends.model import EndAction, EndState, ServerEnd, drift, end_action
from vpsops.core.ends.withdrawal import supersede_deletion
from vpsops.core.execution.ends.end_change import EndRefusedError, known_server
from vpsops.core.execution.ends.end_deletion import EndDeletion, NotYetError
from vpsops.core.execution.ends.end_stop import EndStop, Presence, ServerLook, look_at
from vpsops.core.schedule.steady_date import SteadyDate
from vpsops.core.storage.database import Database
from vpsops.core.wayscloud.answers.models import Server
from vpsops.core.wayscloud.client import Wayscloud

logger = structlog.get_logger(__name__)
EVERY_SECONDS: Final = timings.END_ROUND_SECONDS
BATCH: Final = 50
"""The most ends that are looked at in one round."""
MISSED: Final = "Its end passed, and nothing was done: no process of vpsops could stop it then."
STOPPED_AT_END: Final = "It was stopped at its end."
STOPPED_BEFORE: Final = "It was stopped already."
STARTED_AGAIN: Final = "The server was started again after its end."
UNDELETED: Final = "Its deletion is {state} ({id}), and is not asked for again by itself. It is stopped, and paid for."
RUNS_AGAIN: Final = "It was stopped at its end, and is {state} now. Nothing is done by itself."
Step = Callable[[Connection, ServerEnd, datetime], ServerEnd]


@dataclass(frozen=True, slots=True)
class EndWorker:
    """Reminds owners, begins stops, and follows servers at their ends."""

    database: Database
    api: Wayscloud
    clock: Clock
    date: SteadyDate
    stop: EndStop
    deletion: EndDeletion
    run: Callable[[str], None]
    resting: dict[str, float] = field(default_factory=dict)  # ends with a failed step, until when

    async def keep(self, record_round: RoundRecorder = no_record) -> None:
        """Look now and at every round, until cancelled; an unavailable database is left for the next round."""
        while True:
            try:
                await self.round()
            except StorageError as error:
                logger.warning("ends_round_failed", error=error.message, error_id=error.error_id)
            else:
                record_round()
            await self.clock.sleep(EVERY_SECONDS)

    async def round(self) -> None:
        """Do what is due. Raises `StorageError`."""
        now = self.clock.now()
        self.date.read()  # it is followed in rounds without work as well
        if not await self.database.read_along(lambda connection: ends.has_due(connection, now)):
            return
        for end in await self.database.read(partial(ends.due, now=now, limit=BATCH, without=self._still_resting())):
            try:
                await self._step(end)
            except StaleChangeError:
                logger.info("end_already_moved", server=end.server_id)
            except StorageError:
                raise
            except Exception as error:  # one end that fails must not keep the others from theirs
                self.resting[end.server_id] = self.clock.monotonic() + timings.REST_SECONDS
                logger.exception("end_failed", server=end.server_id, error_id=error_id_of(error))

    def _still_resting(self) -> frozenset[str]:
        """Return the servers with a failed step that is not tried again yet; forget the others."""
        for server_id in [each for each, until in self.resting.items() if until <= self.clock.monotonic()]:
            del self.resting[server_id]
        return frozenset(self.resting)

    async def _step(self, end: ServerEnd) -> None:
        match end.state:
            case EndState.OPEN:
                await self._open(end)
            case EndState.STOPPING:
                await self._follow(end)
            case EndState.STOPPED | EndState.ASKED:
                await self._watch(end)
            case EndState.GONE:
                pass

    def _action(self, end: ServerEnd) -> EndAction:
        return end_action(end, self.clock.now(), self.date.read())

    async def _open(self, end: ServerEnd) -> None:
        match self._action(end):
            case EndAction.REMIND:
                await self._move(end, lifecycle.remind)
            case EndAction.STOP:
                await self._stop(end)
            case EndAction.ASK:
                await self._move(end, lambda connection, old, at: lifecycle.ask(connection, old, MISSED, at))
            case EndAction.WAIT:
                pass

    async def _stop(self, end: ServerEnd) -> None:
        """Stop a server as its time has come, or ask people; one that cannot be read, or is busy, is tried again."""
        look = await look_at(self.api, end.server_id)
        if look.presence is Presence.GONE:
            await self._move(end, lifecycle.note_gone)
        if look.server is None:
            logger.info("end_server_unreadable", server=end.server_id, why=look.why)
            return
        if look.server.off:
            await self._note_off(end, look.server)
            return
        try:
            stop_id = await self.stop.begin(end, look.server, lambda: self._action(end))
        except EndRefusedError as error:
            why = f"{error} It is not stopped by itself."
            await self._move(end, lambda connection, old, at: lifecycle.ask(connection, old, why, at))
            return
        if stop_id:
            self.run(stop_id)

    async def _note_off(self, end: ServerEnd, server: Server) -> None:
        """Note that a server is stopped already, unless it is not as vpsops left it."""
        known = await self.database.read(lambda connection: known_server(connection, end))
        why = drift(known, server.hostname, server.plan or "")
        if why:
            await self._move(end, lambda connection, old, at: lifecycle.ask(connection, old, why, at))
            return
        await self._close(end, STOPPED_BEFORE)

    async def _follow(self, end: ServerEnd) -> None:
        """Move an end as the change moved that stops its server."""
        stop = await self.database.read(lambda connection: lifecycle.change_state(connection, end.stop_id))
        if stop is not None and stop[0] is State.SUCCEEDED:
            await self._close(end, STOPPED_AT_END)
        else:
            await self._move(end, lambda connection, old, at: _follow_stop(connection, old, stop, at))

    async def _close(self, end: ServerEnd, note: str) -> None:
        """Note a stop with the request for the deletion; where something does not answer, it is tried again later."""
        try:
            await self.deletion.close(end, note)
        except NotYetError as error:
            self.resting[end.server_id] = self.clock.monotonic() + timings.REST_SECONDS
            logger.info("end_deletion_waits", server=end.server_id, why=str(error))

    async def _watch(self, end: ServerEnd) -> None:
        """Look at a server after its end: whether it is gone, or was started again or stopped by others."""
        look = await look_at(self.api, end.server_id)
        await self._move(end, lambda connection, old, at: _watched(connection, old, look, at))

    async def _move(self, end: ServerEnd, step: Step) -> None:
        await self.database.transact(lambda connection: step(connection, end, self._date()))

    def _date(self) -> datetime:
        """Return the date to reckon from: one that was set forward a moment ago would put off the next look."""
        return min(self.clock.now(), self.date.read())


def _follow_stop(connection: Connection, end: ServerEnd, stop: tuple[State, str] | None, now: datetime) -> ServerEnd:
    """Move an end after a stop that did not succeed, or not yet."""
    if stop is None:
        return lifecycle.ask(connection, end, f"The change that stopped it, {end.stop_id}, is gone.", now)
    state, note = stop
    if state.final or state is State.NEEDS_PERSON:
        return lifecycle.ask(
            connection, end, f"It could not be stopped at its end ({end.stop_id}). {note}".strip(), now
        )
    return ends.alter(connection, end, next_at=now + timedelta(seconds=EVERY_SECONDS))


def _watched(connection: Connection, end: ServerEnd, look: ServerLook, now: datetime) -> ServerEnd:
    if look.presence is Presence.GONE:
        return lifecycle.note_gone(connection, end, now)
    server = look.server
    if end.state is EndState.STOPPED and (why := _undeleted(connection, end)):
        return lifecycle.ask(connection, end, why, now)
    if server is None or (end.state is EndState.ASKED and not server.off):
        return lifecycle.look_later(connection, end, now)
    if end.state is EndState.STOPPED and server.ready:
        supersede_deletion(connection, end, STARTED_AGAIN, now)
        return lifecycle.ask(connection, end, RUNS_AGAIN.format(state=server.state), now)
    if end.state is EndState.ASKED and server.off and not end.delete_id:
        return lifecycle.note_stopped(connection, end, "It is stopped.", now)
    return lifecycle.look_later(connection, end, now)


def _undeleted(connection: Connection, end: ServerEnd) -> str:
    """Return that the deletion that an end asked for came to nothing; empty where none did."""
    known = lifecycle.change_state(connection, end.delete_id) if end.delete_id else None
    if known is None or not known[0].final or known[0] is State.SUCCEEDED:
        return ""
    return UNDELETED.format(state=known[0].value, id=end.delete_id)
