"""Runs, watches and keepers of several processes, each stopped before or after any commit and any byte.

No one clicks here, and every process dies: the machine beside this one is about people and their clicks.
"""

from collections import Counter
from contextlib import suppress

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from sqlalchemy.exc import IntegrityError

from tests.fakes.storage.databases import NewDatabase
from tests.stateful.database_machine import run_machine
from tests.stateful.harness import StatefulHarness
from tests.stateful.processes.crashable_process import CrashableProcess, StopPoint
from tests.stateful.processes.process_machine import POINTS, SLOTS, STOPS, ProcessMachine
from vpsops.core.changes.model import STEPS, Change, State
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.wayscloud.answers.errors import WayscloudError


def follows(before: State, after: State) -> bool:
    """Return whether a state can be reached from another one by the table's steps."""
    reached = {before}
    while (more := reached | {step for item in reached for step in STEPS[item]}) != reached:
        reached = more
    return after in reached


class RunsMachine(ProcessMachine[CrashableProcess]):
    """Three processes, and the known state of each change."""

    def __init__(self) -> None:
        super().__init__(StatefulHarness.started)
        self.known: dict[str, Change] = {}

    @rule(operation=st.sampled_from(["reboot", "reboot", "stop", "start", "create"]), number=st.integers(0, 1))
    def approve(self, operation: str, number: int) -> None:
        """Have something approved, where it makes sense and the server is free."""
        hostname = f"new{number}.example.com" if operation == "create" else self.scene.world.servers()[number].hostname
        with suppress(InvalidInputError, IntegrityError, WayscloudError):
            self.scene.approve(operation, hostname)

    @rule(slot=SLOTS, number=st.integers(0, 3), left=POINTS, stop=STOPS)
    def run(self, slot: int, number: int, left: int | None, stop: StopPoint) -> None:
        """Let a process run an approved change, even if another runs it already, and stop it somewhere on the way."""
        approved = [name for name, entry in sorted(self.known.items()) if entry.state is State.APPROVED]
        if self.slots[slot].is_free and approved:
            self.scene.call(self.slots[slot].do("run", approved[number % len(approved)], left, stop))

    @rule(slot=SLOTS, what=st.sampled_from(["keep", "look"]), left=POINTS, stop=STOPS)
    def keep_or_look(self, slot: int, what: str, left: int | None, stop: StopPoint) -> None:
        """Let a process do what it does now and then, and stop it somewhere on the way."""
        if self.slots[slot].is_free:
            self.scene.call(self.slots[slot].do(what, "", left, stop))

    @rule(slot=SLOTS, seconds=st.sampled_from([1.0, 6.0, 190.0]))
    def go_on(self, slot: int, seconds: float) -> None:
        """Let time pass, and a process do all that it finds to do."""
        self.scene.pass_time(seconds, self.slots)
        if self.slots[slot].is_free:
            self.scene.do_everything(self.slots[slot])

    @invariant()
    def nothing_goes_back_and_nothing_is_done_twice(self) -> None:
        """Every change moves by the table, and has one effect at most for each that was meant to be sent."""
        now = self.scene.stored()
        assert set(self.known) <= set(now)
        for name, before in self.known.items():
            assert follows(before.state, now[name].state), (before.state, now[name].state)
        self.known = now
        meant = Counter((item.operation, item.target.hostname) for item in now.values() if item.sent_at is not None)
        assert self.scene.effects() <= meant

    def teardown(self) -> None:
        """In the end all processes die, and one new process takes up what they left."""
        try:
            for slot in self.slots:
                self.scene.call(slot.wake(dead=True))
            self.scene.app.simulator.faults.clear()
            self.scene.come_to_rest(self.scene.started())
            self.scene.check_end()
        finally:
            self.scene.close()


def test_a_change_is_done_once_whatever_stops(new_database: NewDatabase) -> None:
    """Whatever processes and providers do."""
    run_machine(RunsMachine, new_database, 15, 40)
