"""Plays one operation on one dialect of the simulated provider, on a server of its own for each kind of answer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio
from sqlalchemy.engine import Connection

from tests.fakes.timing import QUICK
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import ALICE, SLACK, VOTERS, Setup, Stage, staged
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.requests import Done, Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import VpsopsError
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.arguments import Argument, ArgumentKind, arguments_of
from vpsops.core.policy import parse_policy
from vpsops.core.storage.tables import ABSENT_ROUTES
from vpsops.core.wayscloud.answers.errors import NotOfferedError
from vpsops.core.wayscloud.answers.models import Server
from vpsops.playground.wayscloud.account.account import Item, Order
from vpsops.playground.wayscloud.account.resources import BACKUPS, FIREWALL, POLICY, SNAPSHOTS
from vpsops.playground.wayscloud.faults import parse
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.hardware.model import ServerState, SimulatedServer
from vpsops.playground.wayscloud.serve import running_simulator

WRITES: Final = ("POST", "PUT", "PATCH", "DELETE")
LOST: Final = "lost answer"
REFUSED: Final = "refused"
ABSENT: Final = "not offered"
ANSWERS: Final[Mapping[str, Mapping[str, Any] | None]] = {
    "answer": None,
    LOST: {"kind": "drop_after", "times": 1},
    REFUSED: {"kind": "status", "status": 422, "detail": "It is not acceptable."},
    ABSENT: {"kind": "status", "status": 501, "detail": "It is not implemented."},
}
DIALECTS: Final = ("live", "seed", "terraform", "sdk")
SPEED: Final = 600.0
SOON: Final = replace(
    QUICK,
    power_limit=1.5,
    create_limit=3.0,
    long_limit=1.5,
    power_lookup=1.5,
    create_lookup=2.0,
    long_lookup=1.5,
)
RULES: Final = parse_policy(
    """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "changes"
risk = ["change", "disruptive", "destructive"]
decision = "approve"
approvers = { groups = ["S_OPS"] }
""",
    "vpsops.toml",
)
PART: Final = "first"
LATER: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a change ended, and how often the provider carried it out; `reason` is its note, or why it was refused."""

    words: str
    effects: int
    reason: str

    @property
    def cell(self) -> str:
        """The ending as a cell of the table."""
        return f"{self.words}, {'done' if self.effects == 1 else 'not done' if not self.effects else self.effects}"


def changing() -> list[Operation]:
    """Return the operations that change something."""
    return [operation for operation in OPERATIONS.values() if not operation.reads]


async def endings(database_url: str, operation: Operation, dialect: str) -> dict[str, Ending]:
    """Return the ending of an operation on a dialect for each kind of answer."""
    config = SimulatorConfig(dialect=dialect, speed=SPEED, restores=True)
    clock = VirtualClock()
    async with (
        running_simulator(config, clock=clock) as provider,
        staged(database_url, provider, Setup(timing=SOON, policy=RULES, clock=clock)) as stage,
    ):
        ends: dict[str, Ending] = {}
        for number, answer in enumerate(ANSWERS):
            await stage.database.transact(_forget_absences)  # each is the first call: later ones would be refused
            ends[answer] = await _ending(stage, operation, f"case{number}.example.com", answer)
        return ends


def _forget_absences(connection: Connection) -> None:
    connection.execute(ABSENT_ROUTES.delete())


async def _ending(stage: Stage, operation: Operation, hostname: str, answer: str) -> Ending:
    server = prepared_server(stage, operation, hostname) if not operation.makes_server else None
    before = _effects(stage, hostname)
    fault = ANSWERS[answer]
    if fault is not None:
        matches = [{"method": method, "hostname": hostname} for method in WRITES]
        stage.provider.simulator.faults.add(parse([{**fault, "match": match} for match in matches]))
    arguments = arguments_for(stage, operation, hostname, server)
    try:
        change = await carried_out(stage, operation, arguments)
    except NotOfferedError as error:
        return Ending("refused: not offered", _effects(stage, hostname) - before, error.message)
    except VpsopsError as error:
        return Ending("refused", _effects(stage, hostname) - before, error.message)
    words = change.state.value.replace("_", " ") + (", not verified" if change.unseen else "")
    return Ending(words, _effects(stage, hostname) - before, change.note)


async def carried_out(stage: Stage, operation: Operation, arguments: Mapping[str, Any]) -> Change:
    """Ask for a change, approve it, and return it at its end."""
    outcome = await stage.gate.submit(
        Request(operation.name, arguments, ALICE, SLACK, reason="A test."), scope=OPERATOR
    )
    if not isinstance(outcome, Held | Done) or outcome.change is None:
        raise AssertionError(outcome)
    change = outcome.change
    if change.state is State.HELD:
        change = await stage.gate.vote(
            change.id, VOTERS[0], Verdict.APPROVE, change.digest, evidence="Slack", scope=OPERATOR
        )
    with anyio.fail_after(PATIENCE_SECONDS):
        while not (change.state.final or change.state is State.NEEDS_PERSON):
            change = await stage.rest(change.id)
            await stage.clock.sleep(0.05)
            change = await stage.changes.get(change.id, scope=OPERATOR)
    return change


def _effects(stage: Stage, hostname: str) -> int:
    counted = stage.provider.simulator.world.counted()
    return sum(effect.hostname == hostname for effect in counted)


def prepared_server(stage: Stage, operation: Operation, hostname: str, region: str = "NO") -> SimulatedServer:
    """Return a server in a state that fits, which has a snapshot, a backup, a backup policy and a firewall rule."""
    world = stage.provider.simulator.world
    plan = next(iter(stage.provider.simulator.dialect.catalogue.plans))
    made = world.create(Order(hostname, hostname, plan, region, "ubuntu-24.04"))
    for state in (ServerState.RUNNING, ServerState.STOPPED):
        server = world.override(made, state, None, None)
        booted = world.time.seconds() - LATER * 24 if state is ServerState.RUNNING else None
        server = world._keep(replace(server, booted=booted, until=None))
        if operation.fits(_as_read(server, state)):
            break
    for family in (SNAPSHOTS.key, BACKUPS.key):
        world.items_of(server.id, family)[PART] = Item(PART, {}, 0.0, world.time.now())
    rule = {"port": 22, "protocol": "tcp", "source": "192.0.2.0/24"}
    world.items_of(server.id, FIREWALL.key)[PART] = Item(PART, rule, 0.0, world.time.now())
    policy = {"enabled": True, "frequency": "daily", "time_of_day": "01:00", "retention_days": 30, "day_of_week": None}
    world.items_of(server.id, POLICY)[POLICY] = Item(POLICY, policy, 0.0, world.time.now())
    return server


def _as_read(server: SimulatedServer, state: ServerState) -> Server:
    return Server(id=server.id, hostname=server.hostname, status=state.value)


def arguments_for(stage: Stage, operation: Operation, hostname: str, server: SimulatedServer | None) -> dict[str, Any]:
    """Return a value for each argument by its kind."""
    catalogue = stage.provider.simulator.dialect.catalogue
    plans = list(catalogue.plans)
    values: dict[ArgumentKind, Any] = {
        ArgumentKind.SERVER: server.id if server else "",
        ArgumentKind.HOSTNAME: hostname,
        ArgumentKind.PLAN: plans[0] if operation.makes_server else plans[-1],
        ArgumentKind.REGION: "oslo",
        ArgumentKind.SYSTEM: "ubuntu-24.04",
        ArgumentKind.SNAPSHOT: PART,
        ArgumentKind.BACKUP: PART,
        ArgumentKind.FIREWALL_RULE: PART,
        ArgumentKind.ADDRESS: "10.0.0.0/8",
        ArgumentKind.NAME: "second",
        ArgumentKind.TEXT: f"Text for {hostname}",
        ArgumentKind.NUMBER: 14,
        ArgumentKind.SCHEDULE: "03:00",
        ArgumentKind.LABELS: ["team=shop"],
    }
    return {
        argument.name: _value(argument, values)
        for argument in arguments_of(operation.arguments)
        if argument.required or argument.spec.kind is ArgumentKind.NUMBER
    }


def _value(argument: Argument, values: Mapping[ArgumentKind, Any]) -> Any:
    if argument.spec.kind is ArgumentKind.CHOICE:
        return argument.spec.choices[0]
    return values[argument.spec.kind]
