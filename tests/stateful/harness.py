"""A provider, a database and the processes around them, all on one clock that only the test moves."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.stateful.processes.crashable_process import CrashableProcess, HastyClock, WorkerProcess
from tests.unit.core.harness import AGENT
from tests.unit.core.sample import change, put
from vpsops.core.audit import chain as audit
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.authorization.submission import checked
from vpsops.core.changes import repository
from vpsops.core.changes.audit_entries import person, requested
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.preview import locate, preview
from vpsops.core.changes.requests import Request
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.ends import lifecycle
from vpsops.core.ends import repository as ends
from vpsops.core.ends.model import ServerEnd
from vpsops.core.ends.withdrawal import withdraw_for_keeping
from vpsops.core.operations import OPERATIONS
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.storage.pools import open_pools
from vpsops.core.storage.tables import CHANGES
from vpsops.playground.wayscloud.app import create_app
from vpsops.playground.wayscloud.faults.config import SimulatorConfig

T = TypeVar("T")
POLICY = "pol_test"
NEW = {"plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}
TAKEN_OVER, LOOKED_UP = 6.0, 190.0  # seconds after which others take over, and after which a query is over
Effects = Counter[tuple[str, str]]  # by operation and hostname


class StatefulHarness:
    """The processes' shared parts, and a view from outside."""

    def __init__(self, database_url: str, fleet: int = 6) -> None:
        self.stack = ExitStack()
        self.pools = open_pools(database_url)
        self.stack.callback(self.pools.close)
        self.loop = self.stack.enter_context(asyncio.Runner())
        self.clock = HastyClock()
        self.app = create_app(SimulatorConfig(speed=1.0, fleet=fleet, seed=3), self.clock)
        self.world = self.app.simulator.world
        self.observer: CrashableProcess = self.process()
        self.made = 0

    def close(self) -> None:
        """End it all."""
        self.stack.close()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Let something happen while everything else stands still."""
        return self.loop.run(work)

    def process(self) -> CrashableProcess:
        """Make a process, which does not beat yet."""
        return CrashableProcess(self.pools, self.app, self.clock, DEFAULT_TIMING, POLICY)

    def started(self) -> CrashableProcess:
        """Start a process."""
        made = self.process()
        self.call(made.do("beat"))
        return made

    def started_worker(self) -> WorkerProcess:
        """Start a process that runs plans and ends of servers as well."""
        made = WorkerProcess(self.pools, self.app, self.clock, DEFAULT_TIMING, POLICY)
        self.call(made.do("beat"))
        return made

    def approve(self, operation: str, hostname: str, **more: str) -> str:
        """Have a change approved that no process runs yet; raises what makes no sense or is in the way."""
        return self.call(self._approve(operation, hostname, more))

    async def _approve(self, operation: str, hostname: str, more: Mapping[str, str]) -> str:
        named = OPERATIONS[operation]
        arguments = {"hostname": hostname, **NEW} if operation == "create" else {"server": hostname}
        arguments |= more
        seen = await preview(self.observer.api, named, await locate(self.observer.api, checked(named, arguments)))
        made = change(
            operation,
            State.APPROVED,
            id=f"chg_{self.made}",
            sent_at=None,
            arguments=seen.arguments,
            target=seen.target,
            ruling=Ruling(Decision.ALLOW, policy=POLICY),
            digest=seen.digest(POLICY),
            cost=seen.cost,
            facts=seen.facts,
            created_at=self.clock.now(),
            updated_at=self.clock.now(),
        )
        self.made += 1
        body = requested(Request(operation, made.arguments, made.actor, made.origin), seen, made.ruling)
        await self.observer.database.transact(lambda connection: put(connection, made, body=body))
        return made.id

    def keep(self, server_id: str, hours: int) -> ServerEnd | None:
        """Let the owner of a server keep it, in a transaction as of the request for that; None where it has no end."""
        now = self.clock.now()

        def work(connection: Connection) -> ServerEnd | None:
            end = ends.find(connection, server_id)
            if end is None or not end.is_open:
                return None
            withdraw_for_keeping(connection, end, {"by": person(AGENT), "reason": "the server is kept"}, now)
            return lifecycle.keep(connection, end, max(now, end.ends_at) + timedelta(hours=hours), AGENT, now)

        return self.call(self.observer.database.transact(work))

    def stored(self) -> dict[str, Change]:
        """Return every change as the database has it."""
        results = self.call(self.observer.database.read(lambda connection: repository.select(connection, limit=1000)))
        return {item.id: item for item in results}

    def effects(self) -> Effects:
        """Count what the provider did."""
        return Counter((item.operation, item.hostname) for item in self.world.counted())

    def pass_time(self, seconds: float, processes: Iterable[CrashableProcess]) -> None:
        """Let time pass; who is neither frozen nor dead beats."""
        self.clock.advance(seconds)
        for item in processes:
            if item.is_free:
                self.call(item.do("beat"))

    def do_everything(self, mortal: CrashableProcess) -> None:
        """Let a process keep, look at ends if it does, run what it wants run, and poll."""
        self.call(mortal.do("keep"))
        if isinstance(mortal, WorkerProcess):
            self.call(mortal.do("ends"))
        while mortal.runs_requested:
            self.call(mortal.do("run", mortal.runs_requested.pop()))
        self.call(mortal.do("look"))

    def come_to_rest(self, mortal: CrashableProcess) -> None:
        """Let a process continue until nothing is left to do, which takes half an hour at most."""
        for seconds in (TAKEN_OVER, *[LOOKED_UP] * 10):
            self.pass_time(seconds, [mortal])
            self.do_everything(mortal)
            if not self.call(self.observer.database.read(_moving)):
                return
        raise AssertionError(
            [(item.id, item.state, item.note) for item in self.stored().values() if not item.state.final]
        )

    def _count(self, state: State) -> Effects:
        there = (item for item in self.stored().values() if item.state is state)
        return Counter((item.operation, item.target.hostname) for item in there)

    def check_end(self) -> None:
        """Assert that succeeded changes were done, others only where people are asked, and that the trail is whole."""
        done, asked = self._count(State.SUCCEEDED), self._count(State.NEEDS_PERSON)
        assert done <= self.effects() <= done + asked, (self.effects(), done, asked)
        self.check_trail()

    def check_trail(self) -> None:
        """Assert that the trail is whole, and bears out every change."""
        faults = self.trail_faults()
        assert faults == [], faults

    def trail_faults(self) -> list[str]:
        """Return what is wrong with the trail, and what of the changes it does not bear out."""
        chain = self.observer.database.read(lambda c: list(audit.verify(audit.read(c, limit=100_000), audit.head(c))))
        return [*map(str, self.call(chain)), *self.call(self._discrepancies())]

    async def _discrepancies(self) -> list[str]:
        return [str(discrepancy) async for discrepancy in discrepancies(self.observer.database)]


def _moving(connection: Connection) -> int:
    resting = [state.value for state in State if state.final or state is State.NEEDS_PERSON]
    return connection.scalar(sa.select(sa.func.count()).where(CHANGES.c.state.not_in(resting))) or 0
