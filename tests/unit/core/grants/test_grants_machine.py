"""A state machine over grants: opened from cards and by requests, used by two processes, and ended, against a model.

Everything is the product's own step in a transaction of its own, on either database; nothing is sent.
"""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.fakes.clock import FakeClock
from tests.harness.portal import Portal
from tests.harness.profiles import examples
from tests.unit.core.grants.test_model import OPS, vote
from tests.unit.core.harness import AGENT, VOTERS
from tests.unit.core.sample import change, put
from vpsops.core.audit import chain
from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import Pause, PauseSwitch
from vpsops.core.changes import repository as change_rows
from vpsops.core.changes.model import Change, GrantWish, State
from vpsops.core.common.errors import StaleChangeError
from vpsops.core.common.timings import BEAT_SECONDS, CERTAIN_SECONDS
from vpsops.core.grants import lifecycle, repository, trail
from vpsops.core.grants.model import STEPS, Grant, GrantState
from vpsops.core.grants.requests import GrantOffer, member_of
from vpsops.core.identity.actors import Approvers, Origin
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.target import Target
from vpsops.core.plans.repository import insert_members
from vpsops.core.policy.decision import Decision, GrantTerms, Ruling
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.leases import Process
from vpsops.core.storage.tables import GRANTS, PROCESSES

AGENTS: Final = (AGENT, replace(AGENT, id="mcp:other", name="other"), replace(AGENT, human="slack:U2"))
ORIGINS: Final = (Origin("mcp", credential="token-1"), Origin("mcp", credential="token-2"))
OPERATION_NAMES: Final = ("reboot", "stop")
SERVERS: Final = tuple(Target(f"s{number}", f"web0{number}.example.com", "running") for number in (1, 2, 3))
TERMS: Final = GrantTerms(7200.0, 3, ("web*",))
SLACK_SECONDS: Final = CERTAIN_SECONDS + 2 * BEAT_SECONDS
"""By so much heartbeats may lag behind what has passed."""


@dataclass(slots=True)
class ExpectedGrant:
    """What the model knows of a grant."""

    agent: int
    origin: int
    operation: str
    servers: frozenset[str] | None  # None for all of the rule
    uses: int
    policy: int
    opened: float  # by the true time, in seconds
    seconds: float
    until: float  # by the date
    used: int = 0
    ended: bool = False
    seen: GrantState = GrantState.OPEN


class SetDateClock(FakeClock):
    """A clock with a date that is set, and seconds that nothing sets."""

    ahead = timedelta()

    def now(self) -> Any:
        """Return the date as it is set."""
        return super().now() + self.ahead


class GrantsMachine(RuleBasedStateMachine):
    """The product on one side, the true time and what people did on the other."""

    url = ""
    examples = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).examples += 1
        self.stack, self.portal, self.clock = ExitStack(), Portal(), SetDateClock()
        self.stack.callback(self.portal.close)
        opened = [self._open(), self._open()]
        self.databases = [database for database, _ in opened]
        self.processes = [process for _, process in opened]
        self.model: dict[str, ExpectedGrant] = {}
        self.policy = 0
        self.count = 0
        self._transact(0, lambda connection: connection.execute(PROCESSES.delete()))  # of the examples before
        self.beat()

    def _open(self) -> tuple[Database, Process]:
        database = self.stack.enter_context(self.portal.wrap_async_context_manager(open_database(self.url, self.clock)))
        return database, Process(database, self.clock, "worker")

    def _ruling(self) -> Ruling:
        version = f"pol_{self.examples}_{self.policy}"
        return Ruling(Decision.APPROVE, ("agents",), 1, OPS, policy=version, requirements=(OPS,), grant_terms=TERMS)

    def _change(self, operation: str, server: Target, agent: int, origin: int, **more: Any) -> Change:
        self.count += 1
        made = change(operation, State.APPROVED, id=f"chg_{self.examples}_{self.count}", sent_at=None)
        values = {"actor": AGENTS[agent], "origin": ORIGINS[origin], "target": server, "ruling": self._ruling()}
        return replace(made, **{"arguments": {"server": server.id}, "created_at": self.clock.now(), **values, **more})

    @rule(
        process=st.integers(0, 1),
        agent=st.integers(0, 2),
        origin=st.integers(0, 1),
        operation=st.sampled_from(OPERATION_NAMES),
        server=st.sampled_from(SERVERS),
        seconds=st.sampled_from([300.0, 300.0, 1800.0, 7200.0]),
        on_rule=st.booleans(),
    )
    def open_on_a_card(
        self, process: int, agent: int, origin: int, operation: str, server: Target, seconds: float, on_rule: bool
    ) -> None:
        """The last vote on a change asks for a grant as well."""
        voted = self._change(operation, server, agent, origin, votes=(vote(GrantWish(seconds, on_rule)),))

        def work(connection: Any) -> Grant | None:
            return lifecycle.open_grant(connection, voted, voted.ruling.policy, self.clock.now())

        grant = self._transact(process, work)
        servers = None if on_rule else frozenset({server.id})
        self._expect(grant, ExpectedGrant(agent, origin, operation, servers, TERMS.uses, *self._times(seconds)))

    @rule(
        process=st.integers(0, 1),
        agent=st.integers(0, 2),
        origin=st.integers(0, 1),
        operation=st.sampled_from(OPERATION_NAMES),
        servers=st.lists(st.sampled_from(SERVERS), min_size=1, unique=True),
        seconds=st.sampled_from([300.0, 300.0, 1800.0, 7200.0]),
        uses=st.integers(1, 3),
    )
    def open_by_request(
        self, process: int, agent: int, origin: int, operation: str, servers: list[Target], seconds: float, uses: int
    ) -> None:
        """The last vote on a request is counted."""
        ruling, entry = self._ruling(), OPERATIONS[operation]
        members = tuple(member_of(number, entry, server, ruling.policy) for number, server in enumerate(servers, 1))
        terms = GrantTerms(seconds, uses)
        seen = GrantOffer(entry, AGENTS[agent], ORIGINS[origin], terms, members).preview
        asked = self._change(seen.operation, seen.target, agent, origin, arguments=seen.arguments, actor=VOTERS[1])
        asked = replace(asked, ruling=replace(ruling, grant_terms=None), digest=seen.digest(ruling.policy))

        def work(connection: Any) -> Grant:
            put(connection, asked)
            insert_members(connection, asked.id, members)
            ended = lifecycle.open_requested(connection, change_rows.load(connection, asked.id), self.clock.now())
            assert ended.state is State.SUCCEEDED
            return repository.select(connection, GRANTS.c.source == asked.id)[0]

        grant = self._transact(process, work)
        ids = frozenset(server.id for server in servers)
        self._expect(grant, ExpectedGrant(agent, origin, operation, ids, uses, *self._times(seconds)))

    def _times(self, seconds: float) -> tuple[int, float, float, float]:
        until = (self.clock.now() + timedelta(seconds=seconds)).timestamp()
        return self.policy, self.clock.monotonic(), seconds, until

    def _expect(self, grant: Grant | None, expected: ExpectedGrant) -> None:
        assert grant is not None
        assert (grant.state, grant.used, grant.uses) == (GrantState.OPEN, 0, expected.uses)
        self.model[grant.id] = expected

    @rule(
        process=st.integers(0, 1),
        agent=st.sampled_from([0, 0, 0, 1, 2]),
        origin=st.sampled_from([0, 0, 0, 1]),
        operation=st.sampled_from(OPERATION_NAMES),
        server=st.sampled_from(SERVERS),
        stricter=st.sampled_from([False, False, False, True]),
    )
    def use(self, process: int, agent: int, origin: int, operation: str, server: Target, stricter: bool) -> None:
        """An agent asks for some change."""
        self._ask(process, agent, origin, operation, server, stricter=stricter)

    @precondition(lambda self: self.model)
    @rule(process=st.integers(0, 1), data=st.data(), server=st.sampled_from(SERVERS))
    def use_granted(self, process: int, data: st.DataObject, server: Target) -> None:
        """An agent asks for what it was granted, once or again, or for nearly that."""
        known = self.model[data.draw(st.sampled_from(sorted(self.model)))]
        server = server if known.servers is None else next(each for each in SERVERS if each.id in known.servers)
        nearly = data.draw(st.sampled_from(["", "", "", "agent", "origin", "operation", "server"]))
        agent = (known.agent + 1) % 3 if nearly == "agent" else known.agent
        origin = 1 - known.origin if nearly == "origin" else known.origin
        operation = next(name for name in OPERATION_NAMES if (name == known.operation) is (nearly != "operation"))
        server = SERVERS[(SERVERS.index(server) + 1) % 3] if nearly == "server" else server
        self._ask(process, agent, origin, operation, server)

    def _ask(
        self, process: int, agent: int, origin: int, operation: str, server: Target, *, stricter: bool = False
    ) -> None:
        """Ask for a change: a grant lets it through where one holds, and never where none does."""
        asked = self._change(operation, server, agent, origin)
        if stricter:
            other = Approvers(groups=("S_DBA",))
            asked = replace(asked, ruling=replace(asked.ruling, votes=2, requirements=(OPS, other)))
        decided = self._transact(process, lambda connection: lifecycle.use_grant(connection, asked, self.clock.now()))
        fitting = {
            ident: known
            for ident, known in self.model.items()
            if (known.agent, known.origin, known.operation) == (agent, origin, operation)
            and (known.servers is None or server.id in known.servers)
            and not (stricter or known.ended or known.policy != self.policy or known.used >= known.uses)
        }
        use = decided.ruling.grant
        if use is None:
            assert decided.ruling.decision is Decision.APPROVE
            assert not [ident for ident, known in fitting.items() if self._is_surely_open(known)]
            return
        known = fitting[use.id]
        assert not self._is_surely_over(known), "used after its end"
        known.used += 1
        assert (use.number, use.uses, decided.ruling.decision) == (known.used, known.uses, Decision.ALLOW)

    def _is_surely_open(self, known: ExpectedGrant) -> bool:
        passed = self.clock.monotonic() - known.opened
        return passed < known.seconds - SLACK_SECONDS and self.clock.now().timestamp() < known.until

    def _is_surely_over(self, known: ExpectedGrant) -> bool:
        passed = self.clock.monotonic() - known.opened
        return passed >= known.seconds + SLACK_SECONDS or self.clock.now().timestamp() >= known.until

    @precondition(lambda self: self.model)
    @rule(process=st.integers(0, 1), data=st.data())
    def end(self, process: int, data: st.DataObject) -> None:
        """A person ends a grant; one that has ended already is said to have."""
        ident = data.draw(st.sampled_from(sorted(self.model)))

        def work(connection: Any) -> None:
            grant = repository.find(connection, ident)
            assert grant is not None
            lifecycle.end_grant(connection, grant, VOTERS[0], "", self.clock.now())

        was_open = self.model[ident].seen is GrantState.OPEN and not self.model[ident].ended
        try:
            self._transact(process, work)
        except StaleChangeError:
            assert not was_open or self.model[ident].used >= self.model[ident].uses
            return
        self.model[ident].ended = True

    @rule(process=st.integers(0, 1))
    def pause(self, process: int) -> None:
        """A pause ends all of them, and a resume brings none back."""

        def switch(connection: Any, paused: bool) -> None:
            asked = PauseSwitch(Pause(paused, VOTERS[0], self.clock.now()))
            agent_pause.switch_pause(connection, asked, Approvers())

        self._transact(process, lambda connection: switch(connection, paused=True))
        self._transact(1 - process, lambda connection: switch(connection, paused=False))
        for known in self.model.values():
            known.ended = True

    @rule(process=st.integers(0, 1))
    def replace_policy(self, process: int) -> None:
        """Another policy is in force: what was granted before holds no more, whether its row is closed or not."""
        self.policy += 1
        if process:
            self.close_due(process)

    @rule(process=st.integers(0, 1))
    def close_due(self, process: int) -> None:
        """The reconciler of a process closes what is over."""
        version = self._ruling().policy
        self._transact(process, lambda connection: lifecycle.close_due(connection, version, self.clock.now()))

    @rule(seconds=st.sampled_from([60.0, 290.0, 310.0, 1900.0]))
    def pass_time(self, seconds: float) -> None:
        """Time passes, with heartbeats at its end."""
        self.clock.advance(seconds)
        self.beat()

    @rule(hours=st.sampled_from([-5, -1, 0, 1]), seconds=st.sampled_from([0.0, 310.0]))
    def set_date(self, hours: int, seconds: float) -> None:
        """The machines' date is set, and time passes or stands."""
        self.clock.ahead = timedelta(hours=hours)
        self.pass_time(seconds)

    @precondition(lambda self: self.model)
    @rule(process=st.integers(0, 1), data=st.data())
    def outlast(self, process: int, data: st.DataObject) -> None:
        """The date is set back, the time of a grant passes, and its agent asks for the same again."""
        known = self.model[data.draw(st.sampled_from(sorted(self.model)))]
        self.set_date(-5, known.seconds + 60)
        server = next(each for each in SERVERS if known.servers is None or each.id in known.servers)
        self._ask(process, known.agent, known.origin, known.operation, server)

    def beat(self) -> None:
        """Each process stores a heartbeat."""
        for process in self.processes:
            self.portal.call(process.beat)

    @invariant()
    def each_grant_is_as_its_steps_allow(self) -> None:
        """No step that the table lacks, no use more than there are, and as many records as uses."""
        for ident, known in self.model.items():
            grant = self._read(lambda connection, ident=ident: repository.find(connection, ident))
            assert grant is not None
            assert grant.state is known.seen or grant.state in STEPS[known.seen], (known.seen, grant.state)
            known.seen = grant.state
            assert grant.used == known.used <= known.uses
            assert (grant.state is GrantState.USED_UP) <= (known.used == known.uses)
            assert not known.ended or grant.state is not GrantState.OPEN

    def _transact(self, process: int, work: Any) -> Any:
        return self.portal.call(self.databases[process].transact, work)

    def _read(self, work: Any) -> Any:
        return self.portal.call(self.databases[0].read, work)

    def teardown(self) -> None:
        """In the end none is open, and the trail is whole and has each use and each end."""
        try:
            self._check_end()
        finally:
            self.stack.close()

    def _check_end(self) -> None:
        self._transact(0, lambda connection: lifecycle.end_all(connection, lifecycle.PAUSED, self.clock.now()))
        for ident, known in self.model.items():
            grant = self._read(lambda connection, ident=ident: repository.find(connection, ident))
            source = grant.source
            records = self._read(lambda connection, source=source: chain.read(connection, change_id=source))
            events = [record.event for record in records if record.event in trail.EVENTS]
            ends = 0 if grant.state is GrantState.USED_UP else 1
            assert events == [trail.OPENED, *[trail.USED] * known.used, *[trail.ENDED] * ends]


@pytest.mark.requirement("grant-uses")
@pytest.mark.requirement("grant-dates")
def test_grants_are_never_used_beyond_what_was_voted_on(database_url: str) -> None:
    """Whatever people, processes, dates and policies do."""
    machine = type("Machine", (GrantsMachine,), {"url": database_url})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples(60), stateful_step_count=12, deadline=None)
    )
