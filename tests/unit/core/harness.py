"""The core's parts wired by hand around the simulated provider, so that a test can hold each of them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
from sqlalchemy.engine import Connection

from tests.fakes.accounts import EVERYBODY
from tests.fakes.policies import two_votes_for_agents
from tests.fakes.timing import QUICK
from tests.harness.patience import PATIENCE_SECONDS, eventually
from tests.harness.virtual_time import VirtualClock
from vpsops.core.audit import chain
from vpsops.core.changes import repository
from vpsops.core.changes.audit_entries import person
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.clock import Clock
from vpsops.core.common.supervision import Supervisor
from vpsops.core.common.timings import Timing, TransportSettings
from vpsops.core.continuity.continuity_monitor import ContinuityMonitor
from vpsops.core.execution.engine import Engine, EngineParts
from vpsops.core.identity.accounts import AccountDirectory
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.limits.model import UNLIMITED, Limits
from vpsops.core.offers.memory import OfferMemory
from vpsops.core.policy import Policy, parse_policy
from vpsops.core.policy_register.force import PolicyInForce
from vpsops.core.service.admission import Admission
from vpsops.core.service.backend import Backend
from vpsops.core.service.change_queries import ChangeQueries
from vpsops.core.service.gate import Gate
from vpsops.core.service.region_directory import RegionDirectory
from vpsops.core.service.server_queries import ServerQueries
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.leases import Process
from vpsops.core.storage.pools import DEFAULT_OPTIONS, PostgresOptions
from vpsops.core.storage.tables import OUTBOX
from vpsops.core.wayscloud.requests.connection import ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.core.wayscloud.requests.transport import HttpTransport
from vpsops.playground.wayscloud import faults
from vpsops.playground.wayscloud.account.account import Order
from vpsops.playground.wayscloud.hardware.model import ServerState as Really
from vpsops.playground.wayscloud.hardware.model import SimulatedServer
from vpsops.playground.wayscloud.serve import SimulatorHandle

KEY = "wayscloud_vps_test1_SECRET"
BOUND = PATIENCE_SECONDS
ALICE = Actor(ActorKind.PERSON, "U1", "alice", "U1", account="U1")
AGENT = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "slack:U1")
VOTERS = tuple(Actor(ActorKind.PERSON, f"V{n}", f"voter{n}", f"V{n}", groups=("S_OPS",)) for n in range(4))
SLACK = Origin("slack", "T1", "C1")
# Short enough to wait for, long enough that a busy machine does not resemble a silent provider.
BRISK = TransportSettings(
    connect_seconds=2,
    read_seconds=2,
    attempt_seconds=2,
    change_seconds=1.2,
    total_seconds=4,
    attempts=2,
    wait_initial=0,
    wait_jitter=0,
    retry_after_cap=0.5,
)
POLICY = parse_policy(two_votes_for_agents("S_OPS"), "vpsops.toml")


@dataclass(frozen=True, slots=True)
class Setup:
    """What differs between one test's core and another's."""

    timing: Timing = QUICK
    clock: Clock | None = None
    policy: Policy = POLICY
    busy: float = 1.0
    front: str = "cli"
    limits: Limits = UNLIMITED
    options: PostgresOptions = DEFAULT_OPTIONS
    transport: TransportSettings | None = None
    http: HttpTransport | None = None
    accounts: AccountDirectory | None = EVERYBODY


DEFAULT = Setup()


@dataclass(frozen=True, slots=True)
class Stage:
    """A core in parts, and the provider it talks to."""

    provider: SimulatorHandle
    database: Database
    process: Process
    engine: Engine
    gate: Gate
    backend: Backend
    admission: Admission
    changes: ChangeQueries
    servers: ServerQueries

    @property
    def clock(self) -> Clock:
        """The clock of the whole harness."""
        return self.backend.clock

    @property
    def policy(self) -> PolicyInForce:
        """The policy in force."""
        return self.backend.policy

    def server(self, hostname: str, state: Really = Really.RUNNING) -> SimulatedServer:
        """Put a server there that has been up for long, without the API's doing."""
        world = self.provider.simulator.world
        made = world.create(Order(hostname, hostname, "vps-4gb-2cpu", "NO", "debian-12"))
        return world._keep(replace(world.override(made, state, None, None), booted=_booted(self.provider, state)))

    def fault(self, kind: str, operation: str, hostname: str | None = None, **more: Any) -> None:
        """Let something go wrong with an operation, for one server if named."""
        match: dict[str, Any] = {"operation": operation} | ({"hostname": hostname} if hostname else {})
        self.provider.simulator.faults.add(faults.parse({"kind": kind, "match": match} | more))

    def effects(self, operation: str, hostname: str | None = None) -> int:
        """Count what the provider did."""
        counts = self.provider.simulator.world.counted(operation)
        return sum(hostname in {None, item.hostname} for item in counts)

    def asked(self, operation: str) -> int:
        """Count the requests that the provider received."""
        return len(self.provider.simulator.journal.entries(operation=operation))

    async def ask(self, operation: str, actor: Actor = ALICE, *, key: str = "", **arguments: Any) -> Change:
        """Ask for a change that is then held."""
        outcome = await self.gate.submit(
            Request(operation, arguments, actor, SLACK, key=key, can_confirm=True), scope=OPERATOR
        )
        assert isinstance(outcome, Held), outcome
        return outcome.change

    async def confirmed(self, operation: str, **arguments: Any) -> Change:
        """Ask for a change and confirm it."""
        held = await self.ask(operation, ALICE, **arguments)
        return await self.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)

    async def done(self, operation: str, **arguments: Any) -> Change:
        """Ask for a change, confirm it, and return it at rest."""
        change = await self.confirmed(operation, **arguments)
        return await self.rest(change.id)

    async def rest(self, change_id: str) -> Change:
        """Return a change once nothing more happens to it soon."""
        return await self.changes.wait(change_id, seconds=BOUND, scope=OPERATOR)

    async def reach(self, change_id: str, state: State) -> Change:
        """Return a change once it is in some state."""
        change = await self.changes.wait(
            change_id, seconds=BOUND, until=lambda current: current.state is state, scope=OPERATOR
        )
        assert change.state is state, (change.state, change.note)
        return change

    async def change(self, change_id: str, work: Callable[[Connection, Change], Any]) -> None:
        """Do something to a change behind everyone's back."""
        await self.database.transact(lambda connection: work(connection, repository.load(connection, change_id)))

    async def events(self, change_id: str) -> str:
        """Return the change's audited events in their order."""
        records = await self.database.read(lambda connection: chain.read(connection, change_id=change_id))
        return " ".join(record.event for record in records)

    async def notices(self) -> list[Mapping[str, Any]]:
        """Return the notices to people besides cards, in order."""
        query = OUTBOX.select().where(OUTBOX.c.kind != "card").order_by(OUTBOX.c.id)
        rows = await self.database.read(lambda connection: connection.execute(query).mappings().all())
        return [row["payload"] for row in rows]


def said_yes(connection: Connection, held: Change, owner: str | None = None) -> None:
    """Let the asker's human confirm a change that no process has claimed yet, or one that is dead."""
    body = {"by": person(held.actor)}
    repository.step(connection, held, State.APPROVED, held.created_at, event="confirmed", body=body, owner=owner)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, at most the tests' bound."""
    await eventually(condition)


def _booted(provider: SimulatorHandle, state: Really) -> float | None:
    return provider.simulator.world.time.seconds() - 1e6 if state is Really.RUNNING else None


def stage_of(provider: SimulatorHandle, process: Process, backend: Backend) -> Stage:
    """Wire the services over a backend."""
    admission = Admission(backend)
    servers = ServerQueries(backend, admission)
    gate, changes = Gate(backend, admission, servers), ChangeQueries(backend)
    return Stage(provider, backend.database, process, backend.engine, gate, backend, admission, changes, servers)


@asynccontextmanager
async def staged(
    database_url: str, provider: SimulatorHandle, setup: Setup = DEFAULT, *, url: str = ""
) -> AsyncIterator[Stage]:
    """Wire a core as `vpsops.core.app` does; `url` is the provider's address if not the simulator's own."""
    async with open_parts(database_url, setup, url or provider.url) as parts:
        engine = Engine(parts)
        database, clock, timing = parts.database, parts.clock, parts.timing
        regions = RegionDirectory(clock)
        backend = Backend(
            database,
            parts.connection,
            clock,
            timing,
            parts.policy,
            lambda: engine,
            parts.offers,
            regions,
            accounts=EVERYBODY,
        )
        try:
            yield stage_of(provider, parts.process, backend)
        finally:
            parts.group.cancel_scope.cancel()
            await engine.stop()


@asynccontextmanager
async def open_parts(database_url: str, setup: Setup, url: str) -> AsyncIterator[EngineParts]:
    """Open what an engine runs on."""
    clock = setup.clock or VirtualClock()
    settings = setup.transport or BRISK
    async with (
        open_database(database_url, clock, busy=setup.busy, options=setup.options) as database,
        ProviderConnection(
            Credentials(KEY), base_url=url, clock=clock, settings=settings, http_transport=setup.http
        ) as connection,
        anyio.create_task_group() as group,
    ):
        process = Process(database, clock, setup.front)
        yield EngineParts(
            database=database,
            connection=connection,
            clock=clock,
            process=process,
            timing=setup.timing,
            policy=PolicyInForce(setup.policy, setup.limits),
            group=group,
            supervisor=Supervisor(clock),
            continuity=ContinuityMonitor(database, clock, process.id),
            offers=OfferMemory(database, clock, url),
            accounts=setup.accounts,
        )
