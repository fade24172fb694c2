"""A state machine over scheduled changes, a date that is set, busy servers and dying processes, against a model.

The step at a change's time is the reconciler's own, over either database; nothing is sent.
"""

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, rule
from sqlalchemy.engine import Connection

from tests.fakes.clock import FakeClock
from tests.fakes.storage.databases import NewDatabase
from tests.harness.portal import Portal
from tests.stateful.database_machine import DatabaseMachine, run_machine
from tests.unit.core.sample import change, put
from vpsops.core.audit import chain
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.changes import repository
from vpsops.core.changes.model import STEPS, Change, State
from vpsops.core.common.timings import DATE_BELIEVED_SECONDS, DEFAULT_TIMING, SCHEDULE_TOLERANCE_SECONDS
from vpsops.core.execution.reconciler import Reconciler
from vpsops.core.operations.target import Target
from vpsops.core.policy import Policy, parse_policy
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.policy_register.force import PolicyInForce
from vpsops.core.schedule.model import Schedule
from vpsops.core.schedule.steady_date import SteadyDate
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.leases import Process

ALLOWED: Final = '[[rule]]\nid = "all"\nrisk = ["read", "disruptive"]\ndecision = "allow"\n'
FROZEN: Final = (
    ALLOWED + '[[freeze]]\nname = "fair"\nfrom = "2020-01-01"\nto = "2040-01-01"\ntime_zone = "UTC"\n'
    'reason = "The fair is on."\n'
)
TOLERANCE: Final = timedelta(seconds=SCHEDULE_TOLERANCE_SECONDS)
SERVERS: Final = ("s1", "s2")
SHORT_JUMP_SECONDS: Final = DATE_BELIEVED_SECONDS / 2


class TrueClock(FakeClock):
    """A clock with a date that is set; `true` is what it would show without that."""

    ahead = timedelta()

    def now(self) -> datetime:
        """Return the date as it is set."""
        return self.true + self.ahead

    @property
    def true(self) -> datetime:
        """The date as time has passed."""
        return super().now()


@dataclass(slots=True)
class ExpectedSchedule:
    """What the model knows of a scheduled change."""

    server: str
    run_at: datetime
    cancelled: bool = False
    seen: State = State.SCHEDULED


class SchedulesMachine(DatabaseMachine):
    """The reconciler on one side, the true time on the other."""

    waiting = Bundle("waiting")

    def __init__(self) -> None:
        super().__init__()
        self.stack, self.portal, self.clock = ExitStack(), Portal(), TrueClock()
        self.stack.callback(self.portal.close)
        self.model: dict[str, ExpectedSchedule] = {}
        self.count = 0
        self.policy = PolicyInForce(parse_policy(ALLOWED, "vpsops.toml"))
        self.database: Database
        self.opened: AbstractContextManager[Database]
        self.reconciler: Reconciler

    @initialize()
    def begin(self) -> None:
        """Open the database and start a process."""
        opening = open_database(self.new_database(), self.clock)
        self.database = self.stack.enter_context(self.portal.wrap_async_context_manager(opening))
        self.restart()

    @rule()
    def restart(self) -> None:
        """A process dies and another one starts; it knows nothing of the date, which is right at that time."""
        self.clock.ahead = timedelta()
        process = Process(self.database, self.clock, "worker")
        self.portal.call(process.beat)
        self.reconciler = Reconciler(
            self.database,
            self.clock,
            process,
            DEFAULT_TIMING,
            lambda _: None,
            frozenset,
            lambda _: None,
            recheck=Recheck(self.policy, DEFAULT_TIMING),
            date=SteadyDate(self.clock),
        )
        self.round()

    @rule(target=waiting, minutes=st.integers(1, 60), server=st.sampled_from(SERVERS))
    def schedule(self, minutes: int, server: str) -> str:
        """A change that is agreed to waits for its time."""
        self.count += 1
        run_at = self.clock.true + timedelta(minutes=minutes)
        ident = f"chg_{self.count}"
        stored = change(
            state=State.SCHEDULED,
            id=ident,
            sent_at=None,
            created_at=self.clock.now(),
            target=Target(server, f"{server}.example.com", "running"),
            ruling=Ruling(Decision.ALLOW, policy="p"),
            schedule=Schedule(run_at, run_at + TOLERANCE, f"in {minutes}m"),
        )
        self.portal.call(self.database.transact, lambda connection: put(connection, stored))
        self.model[ident] = ExpectedSchedule(server, run_at)
        return ident

    @rule(ident=waiting)
    def cancel(self, ident: str) -> None:
        """Its asker withdraws it, while it waits."""
        if self._load(ident).state is State.SCHEDULED:
            self._step(ident, State.CANCELLED)
            self.model[ident].cancelled = True

    @rule(ident=waiting)
    def finish(self, ident: str) -> None:
        """What was started ends, and its server is free."""
        if self._load(ident).state is State.APPROVED:
            self._step(ident, State.FAILED)

    @rule(seconds=st.sampled_from([1, 30, 60, 300, 900, 1800, 3600]))
    def pass_time(self, seconds: int) -> None:
        """Time passes, with rounds in it."""
        for _ in range(4):
            self.clock.advance(seconds / 4)
            self.round()

    @rule(hours=st.sampled_from([-5, -1, 1, 5]), seconds=st.floats(1, SHORT_JUMP_SECONDS))
    def set_date(self, hours: int, seconds: float) -> None:
        """The date is wrong for some minutes."""
        self.clock.ahead = timedelta(hours=hours)
        self.round()
        self.clock.advance(seconds)
        self.round()
        self.clock.ahead = timedelta()
        self.round()

    @rule(frozen=st.booleans())
    def freeze(self, frozen: bool) -> None:
        """The policy gets stricter, or milder again."""
        self.policy.loaded = self._policy(FROZEN if frozen else ALLOWED)

    def _policy(self, text: str) -> Policy:
        return replace(parse_policy(text, "vpsops.toml"), version=self.policy.loaded.version)

    @rule()
    def round(self) -> None:
        """The reconciler does what is due."""
        self.portal.call(self.reconciler.round)
        for ident in self.model:
            self._compare(ident)

    def _compare(self, ident: str) -> None:
        """Hold a change against the table, the true time and what people did."""
        stored, known = self._load(ident), self.model[ident]
        if stored.state is not known.seen:
            assert stored.state in STEPS[known.seen], (known.seen, stored.state)
            known.seen = stored.state
            if stored.state is State.APPROVED:
                assert self.clock.true >= known.run_at, "started early"
                assert self.clock.true <= known.run_at + TOLERANCE, "started late"
            if stored.state is State.EXPIRED:
                assert stored.missed
                assert self.clock.true > known.run_at + TOLERANCE, "expired early"
            if stored.state is State.SUPERSEDED:
                assert "The fair is on." in stored.note
        if known.cancelled:
            assert stored.state is State.CANCELLED

    @invariant()
    def one_change_has_a_server(self) -> None:
        """At most one of those that were started and did not end."""
        running = [known.server for known in self.model.values() if known.seen is State.APPROVED]
        assert len(running) == len(set(running))

    def _load(self, ident: str) -> Change:
        loaded: Change = self.portal.call(self.database.read, lambda connection: repository.load(connection, ident))
        return loaded

    def _step(self, ident: str, after: State) -> None:
        def work(connection: Connection) -> None:
            stored = repository.load(connection, ident, lock=True)
            repository.step(connection, stored, after, self.clock.now(), event=after.value)

        self.portal.call(self.database.transact, work)
        self.model[ident].seen = after

    def teardown(self) -> None:
        """In the end nothing waits any more, and the trail is whole."""
        try:
            if self.model:
                self._check_end()
        finally:
            self.stack.close()

    def _check_end(self) -> None:
        for ident in self.model:
            self.finish(ident)
        self.pass_time(4 * 3600)
        assert all(known.seen is not State.SCHEDULED for known in self.model.values())
        faults = self.portal.call(
            self.database.read, lambda c: list(chain.verify(chain.read(c, limit=100_000), chain.head(c)))
        )
        assert faults == []


def test_scheduled_changes_run_in_their_time_or_not_at_all(new_database: NewDatabase) -> None:
    """Whatever dates, policies and people do."""
    run_machine(SchedulesMachine, new_database, 12, 20)
