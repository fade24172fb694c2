"""A state machine over one plan, several processes that each stop at any commit or byte, and faults of the provider.

The plan is stored as approved; the worker, the runner, the poller and the reconciler are those of the core.
"""

from collections import Counter
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from sqlalchemy.engine import Connection

from tests.fakes.storage.databases import NewDatabase
from tests.stateful.database_machine import run_machine
from tests.stateful.harness import LOOKED_UP, TAKEN_OVER, StatefulHarness
from tests.stateful.processes.crashable_process import StopPoint, WorkerProcess
from tests.stateful.processes.process_machine import POINTS, SLOTS, STOPS, ProcessMachine
from tests.stateful.processes.stored_plans import PlannedStep, store_plan
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.plans.model import STOP, MemberState, PlanMember, PlanOptions, check_member_step
from vpsops.core.plans.repository import members_of
from vpsops.playground.wayscloud.hardware.model import ServerState

PLAN: Final = "chg_plan"
REST_ROUNDS: Final = 60


class PlansMachine(ProcessMachine[WorkerProcess]):
    """Three processes and one plan; `known` are its members as they were seen last."""

    def __init__(self) -> None:
        super().__init__(StatefulHarness.started_worker)
        self.options = PlanOptions()
        self.known: list[PlanMember] = []
        self.begun_before_stop: frozenset[int] | None = None

    @initialize(count=st.integers(2, 5), at_once=st.integers(1, 3), stop_after=st.integers(1, 3))
    def approve(self, count: int, at_once: int, stop_after: int) -> None:
        """Have a plan approved that no process runs yet."""
        self.options = PlanOptions(at_once=at_once, stop_after=stop_after)
        self.scene.call(self._approve(count))
        self.known = self._members()

    async def _approve(self, count: int) -> None:
        world = self.scene.world
        servers = world.servers()[:count]
        for server in servers:
            world.override(server, ServerState.RUNNING, None, None)
        steps = [PlannedStep("reboot", server.hostname) for server in servers]
        await store_plan(self.scene, PLAN, steps, self.options)

    @rule(slot=SLOTS, left=POINTS, stop=STOPS)
    def round(self, slot: int, left: int | None, stop: StopPoint) -> None:
        """Let a process take the next step of the plan, even if another has it, and stop it somewhere on the way."""
        if self.slots[slot].is_free:
            self.scene.call(self.slots[slot].do("plan", PLAN, left, stop))

    @rule(slot=SLOTS, left=POINTS, stop=STOPS)
    def run(self, slot: int, left: int | None, stop: StopPoint) -> None:
        """Let a process run a member that it has begun, and stop it somewhere on the way."""
        chosen = self.slots[slot]
        if chosen.is_free and chosen.runs_requested:
            self.scene.call(chosen.do("run", chosen.runs_requested.pop(), left, stop))

    @rule(slot=SLOTS, seconds=st.sampled_from([1.0, 6.0, 190.0]))
    def go_on(self, slot: int, seconds: float) -> None:
        """Let time pass, and a process do all that it finds to do."""
        self.scene.pass_time(seconds, self.slots)
        if self.slots[slot].is_free:
            self.scene.do_everything(self.slots[slot])

    @precondition(lambda self: self.begun_before_stop is None)
    @rule()
    def stop(self) -> None:
        """A person stops the plan, while it runs."""

        def work(connection: Connection) -> bool:
            plan = repository.load(connection, PLAN, lock=True)
            if plan.state is State.WATCHING:
                result = {**plan.result, STOP: {"by": "ann"}}
                repository.amend(connection, plan, self.scene.clock.now(), result=result)
            return plan.state is State.WATCHING

        if self.scene.call(self.scene.observer.database.transact(work)):
            self.begun_before_stop = self._begun(self._members())

    @invariant()
    def members_keep_their_order_and_number(self) -> None:
        """Each moves by the table, at most `at_once` run, none begins before an earlier one, or after a stop."""
        members = self._members()
        for before, after in zip(self.known, members, strict=False):
            if before.state is not after.state and before.state is not MemberState.WAITING:
                check_member_step(before.state, after.state)
            assert not before.state.is_final or after == before
        self.known = members
        states = [member.state for member in members]
        assert states.count(MemberState.RUNNING) <= self.options.at_once
        unbegun = [state in {MemberState.WAITING, MemberState.NOT_RUN} for state in states]
        assert unbegun == sorted(unbegun), states
        assert self.begun_before_stop is None or self._begun(members) == self.begun_before_stop

    @invariant()
    def each_member_is_a_change_once_and_done_once(self) -> None:
        """One change and one effect for a server at most, and none without a member that has begun."""
        changes = self._changes()
        assert {item.id for item in changes} == {member.change_id for member in self._members() if member.change_id}
        assert all(count == 1 for count in Counter(item.target.id for item in changes).values())
        assert self.scene.effects() <= Counter((item.operation, item.target.hostname) for item in changes)

    def _begun(self, members: list[PlanMember]) -> frozenset[int]:
        return frozenset(member.ordinal for member in members if member.change_id)

    def _members(self) -> list[PlanMember]:
        return self.scene.call(self.scene.observer.database.read(lambda connection: members_of(connection, PLAN)))

    def _changes(self) -> list[Change]:
        return [item for item in self.scene.stored().values() if item.plan == PLAN]

    def teardown(self) -> None:
        """In the end all processes die, and one new process ends what they left."""
        try:
            for slot in self.slots:
                self.scene.call(slot.wake(dead=True))
            self.scene.app.simulator.faults.clear()
            if self.known:
                self._end_with(self.scene.started_worker())
        finally:
            self.scene.close()

    def _end_with(self, process: WorkerProcess) -> None:
        for number in range(REST_ROUNDS):
            self.scene.pass_time(LOOKED_UP if number % 3 else TAKEN_OVER, [process])
            self.scene.call(process.do("plan", PLAN))
            self.scene.do_everything(process)
            self.members_keep_their_order_and_number()
            self.each_member_is_a_change_once_and_done_once()
            plan = self.scene.stored()[PLAN]
            if plan.state.final:
                break
        assert plan.state.final, (plan.state, plan.note, [member.state for member in self.known])
        assert all(member.state.is_final for member in self.known)
        done = [member for member in self.known if member.state is MemberState.DONE]
        assert {("reboot", member.target.hostname) for member in done} <= set(self.scene.effects())
        assert self.scene.trail_faults() == []


def test_a_plan_does_each_member_once_whatever_stops(new_database: NewDatabase) -> None:
    """Whatever processes, providers and people do."""
    run_machine(PlansMachine, new_database, 12, 40)
