"""A state machine over servers with an end: processes that each stop at any commit or byte, dates, people and drift.

The servers are made by creates that run to their ends; the worker for ends, the runner, the poller and the reconciler
are those of the core. What a stop may be is held against the true time and what people did, never against a date.
"""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from tests.fakes.storage.databases import NewDatabase
from tests.stateful.database_machine import run_machine
from tests.stateful.harness import StatefulHarness
from tests.stateful.processes.crashable_process import StopPoint, WorkerProcess
from tests.stateful.processes.process_machine import POINTS, SLOTS, STOPS, ProcessMachine
from vpsops.core.audit import chain
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.timings import DATE_BELIEVED_SECONDS, END_REMINDER_SECONDS, END_TOLERANCE_SECONDS
from vpsops.core.ends import lifecycle
from vpsops.core.ends import repository as ends
from vpsops.core.ends.model import END_STEPS, EndState, ServerEnd
from vpsops.core.wayscloud.answers.errors import WayscloudError
from vpsops.playground.wayscloud.account.account import Effect
from vpsops.playground.wayscloud.hardware.model import ServerState, SimulatedServer

LIFETIMES: Final = ("3h", "26h")
TOLERANCE: Final = timedelta(seconds=END_TOLERANCE_SECONDS)
NEAR: Final = st.sampled_from([-3700.0, -3590.0, -20.0, 1.0, 400.0, 1700.0, 1900.0])
"""Seconds from an end: around the last reminder, the end itself, and the time after which people are asked."""
REST_ROUNDS: Final = 50
REST_SECONDS: Final = 60.0
"""More than the time after which people are asked about an end, and that of a query for a stop with no answer."""
OPEN: Final = frozenset({EndState.OPEN, EndState.STOPPING})
SERVERS: Final = st.integers(0, len(LIFETIMES) - 1)


def follows(before: EndState, after: EndState) -> bool:
    """Return whether a state can be reached from another one by the table's steps."""
    reached = {before}
    while (more := reached | {step for item in reached for step in END_STEPS[item]}) != reached:
        reached = more
    return after in reached


@dataclass(slots=True)
class ExpectedEnd:
    """What the model knows of a server's end, in true time."""

    server_id: str
    hostname: str
    ends_at: datetime
    turn: int = 1
    seen: EndState = EndState.OPEN
    altered: bool = False  # behind vpsops, so that nothing may be done by itself
    leaving: set[str] = field(default_factory=set)  # stops that were on their way as the server was kept or altered
    stopped: Counter[str] = field(default_factory=Counter)  # effects, by the change that was on its way


class EndsMachine(ProcessMachine[WorkerProcess]):
    """Three processes, two servers with an end and others without, and the true time."""

    def __init__(self) -> None:
        super().__init__(StatefulHarness.started_worker)
        self.model: list[ExpectedEnd] = []
        self.counted = 0

    @initialize()
    def make(self) -> None:
        """Make the servers; others of the fleet are called like them, and have no end."""
        for number, lifetime in enumerate(LIFETIMES):
            self.scene.approve("create", f"load{number}.example.com", lifetime=lifetime)
        self.scene.come_to_rest(self.slots[0])
        for end in sorted(self._ends(), key=lambda end: end.hostname):
            assert end.state is EndState.OPEN
            self.model.append(ExpectedEnd(end.server_id, end.hostname, end.ends_at))
        assert len(self.model) == len(LIFETIMES)

    @rule(slot=SLOTS, left=POINTS, stop=STOPS)
    def look(self, slot: int, left: int | None, stop: StopPoint) -> None:
        """Let a process look at the ends, and stop it somewhere on the way."""
        if self.slots[slot].is_free:
            self.scene.call(self.slots[slot].do("ends", "", left, stop))

    @rule(slot=SLOTS, left=POINTS, stop=STOPS)
    def run(self, slot: int, left: int | None, stop: StopPoint) -> None:
        """Let a process run a stop that it has begun, and stop it somewhere on the way."""
        chosen = self.slots[slot]
        if chosen.is_free and chosen.runs_requested:
            self.scene.call(chosen.do("run", chosen.runs_requested.pop(), left, stop))

    @rule(slot=SLOTS, seconds=st.sampled_from([1.0, 6.0, 190.0, 1000.0]))
    def go_on(self, slot: int, seconds: float) -> None:
        """Let time pass, and a process do all that it finds to do."""
        self._pass_time(seconds)
        if self.slots[slot].is_free:
            self.scene.do_everything(self.slots[slot])

    @rule(seconds=NEAR, slot=SLOTS, is_there=st.booleans())
    def come_near(self, seconds: float, slot: int, is_there: bool) -> None:
        """Let time pass until shortly before or after the next end, with or without a process that does its rounds."""
        ahead = [known.ends_at - self.scene.clock.true for known in self.model if known.seen in OPEN]
        left = min(ahead, default=timedelta()).total_seconds() + seconds
        if left > 0:
            self._pass_time(left)
            if is_there and self.slots[slot].is_free:
                self.scene.do_everything(self.slots[slot])

    def _pass_time(self, seconds: float) -> None:
        self.scene.pass_time(seconds, self.slots)

    @rule(hours=st.sampled_from([-5, -1, 1, 3, 30]), slot=SLOTS, seconds=st.floats(1, DATE_BELIEVED_SECONDS / 2))
    def set_date(self, hours: int, slot: int, seconds: float) -> None:
        """The date is wrong for some minutes, in which a process does its rounds."""
        self.scene.clock.ahead = timedelta(hours=hours)
        for passed in (0.0, seconds):
            self._pass_time(passed)
            if self.slots[slot].is_free:
                self.scene.do_everything(self.slots[slot])
        self._note_effects()
        self.scene.clock.ahead = timedelta()
        if self.slots[slot].is_free:
            self.scene.do_everything(self.slots[slot])

    @rule(number=SERVERS, hours=st.sampled_from([1, 4, 30]))
    def keep(self, number: int, hours: int) -> None:
        """Its owner keeps a server, in the transaction of the request for that."""
        known = self.model[number]
        kept = self.scene.keep(known.server_id, hours)
        if kept is not None:
            self._note_leaving(known)
            assert kept.turn == known.turn + 1
            known.ends_at, known.turn, known.seen = kept.ends_at, kept.turn, kept.state

    @rule(number=SERVERS, how=st.sampled_from(["hostname", "plan", "replaced", "removed", "started", "stopped"]))
    def alter(self, number: int, how: str) -> None:
        """Someone does something to a server behind vpsops."""
        known, world = self.model[number], self.scene.world
        server = self._server(known.server_id)
        if server is None:
            return
        match how:
            case "hostname":
                world.override(server, None, "other.example.com", None)
            case "plan":
                world.override(server, None, None, None, plan="vps-8gb-4cpu")
            case "replaced" | "removed":
                world.remove(server)
                if how == "replaced":  # another server by the same name, which has no end
                    others = [each for each in world.servers() if each.hostname.startswith("web")]
                    world.override(others[0], ServerState.RUNNING, known.hostname, None) if others else None
            case _:
                state = ServerState.RUNNING if how == "started" else ServerState.STOPPED
                world.override(server, state, None, None)
                return
        known.altered = True
        self._note_leaving(known)

    @rule(number=SERVERS)
    def ask_for_another(self, number: int) -> None:
        """Another change has the server when its end comes."""
        with suppress(InvalidInputError, IntegrityError, WayscloudError):
            self.scene.approve("reboot", self.model[number].hostname)

    def _note_leaving(self, known: ExpectedEnd) -> None:
        """Remember the stops that no one can take back any more, or that a process is about to send."""
        states = {State.SENDING} | ({State.APPROVED} if any(slot.task is not None for slot in self.slots) else set())
        known.leaving |= {stop.id for stop in self._stops(known.server_id) if stop.state in states}

    @invariant()
    def ends_move_by_their_table(self) -> None:
        """Each step is one of the table, and each turn stops the server by one change at most."""
        for known in self.model:
            end = next(each for each in self._ends() if each.server_id == known.server_id)
            assert follows(known.seen, end.state), (known.seen, end.state)
            assert (end.turn, end.ends_at) == (known.turn, known.ends_at)
            known.seen = end.state
            assert len(self._stops(known.server_id)) <= known.turn

    @invariant()
    def no_server_is_stopped_twice_or_early(self) -> None:
        """None before its end, long after it, after it was kept or altered, twice for an end, or for another's end."""
        self._note_effects()

    def _note_effects(self) -> None:
        effects = list(self.scene.world.counted())
        for effect in effects[self.counted :]:
            if effect.operation == "stop":
                self._note_stop(effect)
        self.counted = len(effects)

    def _note_stop(self, effect: Effect) -> None:
        known = next((each for each in self.model if each.server_id == effect.server_id), None)
        assert known is not None, "another server was stopped"
        stop = next(iter(self._stops(known.server_id)))  # the latest
        known.stopped[stop.id] += 1
        assert known.stopped[stop.id] == 1, "stopped twice"
        if stop.id in known.leaving:
            return
        at = effect.at - self.scene.clock.ahead
        assert at >= known.ends_at, "stopped before its end"
        assert at <= known.ends_at + TOLERANCE, "stopped long after its end"
        assert not known.altered, "stopped although it is not as vpsops left it"

    def _server(self, server_id: str) -> SimulatedServer | None:
        return next((each for each in self.scene.world.servers() if each.id == server_id), None)

    def _stops(self, server_id: str) -> list[Change]:
        """Return the stops of a server at its ends, the latest first."""
        stored = [item for item in self.scene.stored().values() if item.ruling.end and item.target.id == server_id]
        return sorted(stored, key=lambda item: item.created_at, reverse=True)

    def _ends(self) -> list[ServerEnd]:
        stored: list[ServerEnd] = self._read(
            lambda connection: [end for known in self._ids(connection) if (end := known)]
        )
        return stored

    def _ids(self, connection: Connection) -> list[ServerEnd | None]:
        made = [item for item in repository.select(connection, limit=1000) if item.operation == "create"]
        return [ends.of_change(connection, item.id) for item in made]

    def _read(self, work: Any) -> Any:
        return self.scene.call(self.scene.observer.database.read(work))

    def teardown(self) -> None:
        """In the end all processes die, and one new process brings every server to its end."""
        try:
            for slot in self.slots:
                self.scene.call(slot.wake(dead=True))
            self.scene.app.simulator.faults.clear()
            if self.model:
                self._end_with()
        finally:
            self.scene.close()

    def _end_with(self) -> None:
        process = self.scene.started_worker()
        self.slots = [process]
        self.scene.come_to_rest(process)
        due = [known for known in self.model if known.seen in OPEN]
        for known in sorted(due, key=lambda each: each.ends_at):
            self._pass_time(max((known.ends_at - self.scene.clock.true).total_seconds(), 0.0) + 1)
            for _ in range(REST_ROUNDS):
                self.scene.do_everything(process)
                self.no_server_is_stopped_twice_or_early()
                self.ends_move_by_their_table()
                if known.seen not in OPEN:
                    break
                self._pass_time(REST_SECONDS)
            self.scene.come_to_rest(process)
        assert not any(known.seen in OPEN for known in self.model), self.model
        for known in due:
            self._check_stopped(known)
        self._check_reminders()
        self.scene.check_trail()

    def _check_stopped(self, known: ExpectedEnd) -> None:
        """A server that is as it was made is stopped by the provider where its end says so."""
        server = self._server(known.server_id)
        if known.altered:
            assert known.seen is not EndState.STOPPED or server is None or server.state is ServerState.STOPPED
        elif server is not None and known.seen is EndState.STOPPED:
            assert server.state is ServerState.STOPPED

    def _check_reminders(self) -> None:
        """No more reminders for an end than there are, and one record of each of its stops."""
        for end in self._ends():
            records = self._read(lambda connection, end=end: chain.read(connection, change_id=end.change_id))
            events = Counter((record.event, record.body.get("turn")) for record in records)
            for turn in range(1, end.turn + 1):
                assert events[lifecycle.REMINDED, turn] <= len(END_REMINDER_SECONDS)
                assert events[lifecycle.STOPPING, turn] <= 1


def test_a_server_is_stopped_once_at_its_end_whatever_stops(new_database: NewDatabase) -> None:
    """Whatever processes, dates and people do."""
    run_machine(EndsMachine, new_database, 12, 30)
