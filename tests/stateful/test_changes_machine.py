"""A state machine over requests, confirmations, votes, time and dying processes, against a model of a few lines.

Real parts throughout: the gate, the engine, either database and the simulated provider over a socket.
"""

import tempfile
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, initialize, invariant, multiple, rule

from tests.fakes.accounts import EVERYBODY
from tests.fakes.storage.databases import NewDatabase
from tests.fakes.timing import QUICK
from tests.harness.internals import database_of
from tests.harness.portal import Portal
from tests.harness.virtual_time import JumpingClock, VirtualClock
from tests.stateful.database_machine import DatabaseMachine, run_machine
from vpsops.core.app import Core, open_core
from vpsops.core.audit import chain
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.changes.model import State, Verdict
from vpsops.core.changes.requests import Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError, StaleChangeError
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

POLICY = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "people"
actor = "person"
risk = "disruptive"
decision = "confirm"

[[rule]]
id = "agents"
actor = "agent"
risk = "disruptive"
decision = "approve"
votes = 2
approvers = { groups = ["S1"] }
"""
ALICE = Actor(ActorKind.PERSON, "U1", "alice", "U1", account="U1", groups=("S1",))
AGENT = Actor(ActorKind.AGENT, "mcp:x", "x", "slack:U1")
VOTERS = [
    ALICE,
    *(Actor(ActorKind.PERSON, f"U{n}", f"v{n}", f"U{n}", account=f"U{n}", groups=("S1",)) for n in (2, 3, 4)),
]
STRANGER = Actor(ActorKind.PERSON, "U9", "eve", "U9", account="U9")
RUNS = {State.APPROVED, State.SENDING, State.WATCHING, State.UNKNOWN, State.SUCCEEDED, State.FAILED}
LIFE = {"confirm": QUICK.confirm_seconds, "approve": QUICK.approve_seconds}

UNSENT = ("not carried out", "Nothing was sent")


@dataclass(slots=True)
class Expected:
    """The model's knowledge of a change."""

    server: str
    kind: str
    born: timedelta
    state: str = "held"
    voters: set[str] = field(default_factory=set)
    approvals: int = 0


class ChangesMachine(DatabaseMachine):
    """The product on one side, `Expected` on the other."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.portal = Portal()
        self.stack.callback(self.portal.close)
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.database_url = self.new_database()
        self.clock = JumpingClock()
        self.model: dict[str, Expected] = {}
        self.died = False
        self.core: Core
        self.process: AbstractContextManager[Core]

    @initialize()
    def begin(self) -> None:
        """Start the provider and the first process."""
        simulator = running_simulator(SimulatorConfig(speed=600.0, fleet=8, seed=1), clock=VirtualClock())
        self.provider: SimulatorHandle = self.stack.enter_context(self.portal.wrap_async_context_manager(simulator))
        servers = self.provider.simulator.world.servers()
        self.servers = [server.hostname for server in servers if server.state.value == "running"][:4]
        (self.folder / "vpsops.toml").write_text(POLICY)
        self._start()

    def _start(self) -> None:
        environ = {
            "WAYSCLOUD_API_KEY": "wayscloud_vps_test1_SECRET",
            "WAYSCLOUD_API_URL": self.provider.url,
            "VPSOPS_DATABASE_URL": self.database_url,
            "VPSOPS_CONFIG": self.folder / "vpsops.toml",
        }
        opening = open_core(
            Settings.model_validate(environ), front="worker", clock=self.clock, timing=QUICK, accounts=EVERYBODY
        )
        self.process = self.portal.wrap_async_context_manager(opening)
        self.core = self.process.__enter__()

    @rule(target=held, index=st.integers(0, 3), kind=st.sampled_from(["confirm", "approve"]))
    def submit(self, index: int, kind: str) -> object:
        """Ask for a reboot: held, or refused because another change holds the server."""
        server = self.servers[index]
        actor = ALICE if kind == "confirm" else AGENT
        request = Request("reboot", {"server": server}, actor, Origin("cli"), can_confirm=True)
        outcome = self.portal.call(partial(self.core.gate.submit, request, scope=OPERATOR))
        if isinstance(outcome, Refused):
            assert outcome.change is not None
            assert self.model[outcome.change.id].server == server
            assert self.model[outcome.change.id].state in {"held", "runs"}
            return multiple()
        assert isinstance(outcome, Held)
        self.model[outcome.change.id] = Expected(server, kind, self.clock.ahead)
        return outcome.change.id

    def _is_expired(self, change: Expected) -> bool:
        return (self.clock.ahead - change.born).total_seconds() >= LIFE[change.kind]

    @rule(change=held, actor=st.sampled_from([ALICE, ALICE, STRANGER, AGENT]))
    def confirm(self, change: str, actor: Actor) -> None:
        """Only the asker's own human confirms, once, and only what waits for that."""
        known = self.model[change]
        digest = self.portal.call(partial(self.core.changes.get, change, scope=OPERATOR)).digest
        try:
            self.portal.call(partial(self.core.gate.confirm, change, actor, digest, scope=OPERATOR))
        except (NotAllowedError, StaleChangeError):
            wrong = known.kind != "confirm" or actor is STRANGER
            assert wrong or known.state != "held" or self._is_expired(known)
        else:
            assert (known.state, known.kind, actor is STRANGER) == ("held", "confirm", False)
            known.state = "runs"

    @rule(
        change=held,
        voter=st.sampled_from([*VOTERS[1:], *VOTERS, STRANGER]),
        verdict=st.sampled_from([*Verdict, Verdict.APPROVE]),
    )
    def vote(self, change: str, voter: Actor, verdict: Verdict) -> None:
        """Eligible others vote once each; two approvals start it, one denial ends it."""
        known = self.model[change]
        digest = self.portal.call(partial(self.core.changes.get, change, scope=OPERATOR)).digest
        try:
            self.portal.call(partial(self.core.gate.vote, change, voter, verdict, digest, scope=OPERATOR))
        except (NotAllowedError, StaleChangeError):
            wrong = known.kind != "approve" or voter in {ALICE, STRANGER} or voter.id in known.voters
            assert wrong or known.state != "held" or self._is_expired(known)
            return
        assert (known.state, known.kind) == ("held", "approve")
        assert voter not in {ALICE, STRANGER}
        assert voter.id not in known.voters
        known.voters.add(voter.id)
        known.approvals += verdict is Verdict.APPROVE
        known.state = "denied" if verdict is Verdict.DENY else "runs" if known.approvals == 2 else "held"

    @rule(change=consumes(held), actor=st.sampled_from([ALICE, STRANGER]))
    def cancel(self, change: str, actor: Actor) -> None:
        """The asker withdraws a change that has not been sent."""
        known = self.model[change]
        try:
            self.portal.call(partial(self.core.gate.cancel, change, replace(actor), scope=OPERATOR))
        except (NotAllowedError, StaleChangeError):
            assert actor is STRANGER or known.state != "held" or self._is_expired(known)
        else:
            assert actor is ALICE
            known.state = "cancelled"

    @rule(seconds=st.sampled_from([60, 1000, 4000]))
    def pass_time(self, seconds: int) -> None:
        """The time of day jumps; holds that are over expire by themselves."""
        self.clock.ahead += timedelta(seconds=seconds)
        for change, known in self.model.items():
            if known.state == "held" and self._is_expired(known):
                ended = self.portal.call(partial(self.core.changes.wait, change, seconds=5.0, scope=OPERATOR))
                assert ended.state is State.EXPIRED
                known.state = "expired"

    @rule()
    def die(self) -> None:
        """The process ends wherever it is, and another one continues."""
        self.process.__exit__(None, None, None)
        self.died = True
        self._start()

    @invariant()
    def both_agree(self) -> None:
        """Every change is in the model's state."""
        for change, known in self.model.items():
            state = self.portal.call(partial(self.core.changes.get, change, scope=OPERATOR)).state
            assert state in RUNS if known.state == "runs" else state.value == known.state, (state, known)

    def teardown(self) -> None:
        """In the end every run has settled, each was done exactly once, and the trail is whole."""
        try:
            if hasattr(self, "core"):
                self._check_end()
        finally:
            if hasattr(self, "process"):
                self.process.__exit__(None, None, None)
            self.stack.close()

    def _check_end(self) -> None:
        ran = [change for change, known in self.model.items() if known.state == "runs"]
        done = 0
        for change in ran:
            ended = self.portal.call(
                partial(
                    self.core.changes.wait,
                    change,
                    seconds=8.0,
                    scope=OPERATOR,
                    until=lambda current: current.state.final,
                )
            )
            # it died before the first byte, or until the yes did not count any more
            unsent = ended.state is State.FAILED and any(words in ended.note for words in UNSENT)
            assert ended.state is State.SUCCEEDED or (unsent and self.died), ended.note
            done += ended.state is State.SUCCEEDED
        assert len(self.provider.simulator.world.effects) == done
        faults = self.portal.call(
            database_of(self.core).read, lambda c: list(chain.verify(chain.read(c, limit=100_000), chain.head(c)))
        )
        assert faults == []
        assert self.portal.call(self._discrepancies) == []

    async def _discrepancies(self) -> list[str]:
        return [str(discrepancy) async for discrepancy in discrepancies(database_of(self.core))]


def test_changes_follow_what_people_and_processes_do(new_database: NewDatabase) -> None:
    """Whatever anybody clicks, and whenever the process dies."""
    run_machine(ChangesMachine, new_database, 10, 25)
