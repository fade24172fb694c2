"""The real core against a drawn provider over a socket, in virtual time, and what must hold at the end."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import anyio
import httpx

from tests.fakes.provider import BASE
from tests.fakes.storage.databases import migrated
from tests.harness.virtual_time import VirtualClock
from tests.stateful.provider_strategies import CREATED, SERVERS, Case
from tests.unit.core.harness import ALICE, SLACK, Setup, Stage, staged
from tests.unit.playground.wayscloud.harness import ORDERS
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.timings import DEFAULT_TIMING, DEFAULT_TRANSPORT
from vpsops.core.wayscloud.answers.hostnames import same_hostname
from vpsops.playground.wayscloud.account.account import World
from vpsops.playground.wayscloud.app import create_app
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.hardware.model import ServerState as Really
from vpsops.playground.wayscloud.hardware.model import SimulatedServer
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

# The product's own limits, but for how long an overdue change is watched (half an hour shows it as well as a day) and
# for how often it is polled, which dominates the processor time.
TIMING: Final = replace(
    DEFAULT_TIMING, give_up=1800.0, keep_seconds=15.0, poll_young=5.0, poll_grown=15.0, poll_old=60.0
)
END_SECONDS: Final = TIMING.give_up + 900.0
FAILED: Final = frozenset({State.FAILED, State.DENIED, State.EXPIRED, State.CANCELLED, State.SUPERSEDED})
BEFORE: Final = {"stop": Really.RUNNING, "start": Really.STOPPED, "reboot": Really.RUNNING}


@dataclass(slots=True)
class Outcome:
    """The outcome of one change, and the true state in that moment."""

    operation: str
    change: Change | None = None
    refused: str = ""
    sent: int = 0
    wrong: list[str] = field(default_factory=list)


async def outcomes(case: Case) -> list[Outcome]:
    """Let a drawn provider meet its changes; return what became of each."""
    with tempfile.TemporaryDirectory() as folder:
        url = migrated(Path(folder) / "db.sqlite3")
        async with provided(case) as (provider, setup), staged(url, provider, setup) as stage:
            results = [Outcome(operation) for operation in case.changes]
            for outcome in results:
                if outcome.operation in SERVERS:
                    prepare(stage, case, outcome.operation)
            world = provider.simulator.world
            world._past.clear()  # these servers have been there for long
            world.counts.clear()
            world.effects.clear()
            provider.simulator.faults.add(case.faults(), world.time.seconds())
            async with anyio.create_task_group() as tasks:
                for outcome in results:
                    tasks.start_soon(follow, stage, case, outcome)
            for outcome in results:
                check_effects(stage, case, outcome)
    return results


@asynccontextmanager
async def provided(case: Case) -> AsyncIterator[tuple[SimulatorHandle, Setup]]:
    """Serve a provider over a socket, or in this process where the case allows it, which is several times cheaper."""
    config = SimulatorConfig(dialect=case.dialect, speed=1.0, seed=case.seed)
    setup = Setup(TIMING, transport=DEFAULT_TRANSPORT)
    if case.socket:
        async with running_simulator(config, VirtualClock()) as provider:
            yield provider, setup
        return
    app = create_app(config, VirtualClock())
    yield SimulatorHandle(BASE, 0, app), replace(setup, http=httpx.ASGITransport(app))


def prepare(stage: Stage, case: Case, operation: str) -> None:
    """Put the server there that a change is about."""
    plan = ORDERS[case.dialect]["plan_code"]
    server = stage.server(SERVERS[operation], BEFORE[operation])
    stage.provider.simulator.world._keep(replace(server, plan=plan))


async def follow(stage: Stage, case: Case, outcome: Outcome) -> None:
    """Ask for a change, confirm it, wait for its end, and compare the claims with the true state."""
    arguments = {"server": SERVERS.get(outcome.operation, "")}
    if outcome.operation == "create":
        order = ORDERS[case.dialect]
        arguments = {"hostname": CREATED, "plan": order["plan_code"], "region": "oslo", "os_template": "ubuntu-24.04"}
    try:
        answer = await stage.gate.submit(
            Request(outcome.operation, arguments, ALICE, SLACK, key=outcome.operation, can_confirm=True), scope=OPERATOR
        )
        if not isinstance(answer, Held):
            outcome.refused = type(answer).__name__
            return
        confirmed = await stage.gate.confirm(answer.change.id, ALICE, answer.change.digest, scope=OPERATOR)
    except VpsopsError as error:
        outcome.refused = f"{type(error).__name__}: {error}"
        return
    outcome.change = await stage.changes.wait(
        confirmed.id,
        seconds=END_SECONDS,
        until=lambda change: change.state.final or change.state is State.NEEDS_PERSON,
        scope=OPERATOR,
    )
    check_claim(stage.provider.simulator.world, case, outcome)


def check_claim(world: World, case: Case, outcome: Outcome) -> None:
    """Note a claim that is false, and a change that does not end."""
    change = outcome.change
    assert change is not None
    done = effects(world, outcome.operation)
    reached = bool(done) and (change.unseen or is_reached(outcome.operation, done))
    if change.state is State.SUCCEEDED and not reached:
        outcome.wrong.append(f"claimed as done, and it is not: {states(done)}")
    if change.state in FAILED and any(server.state is not Really.ERROR and not server.doomed for server in done):
        outcome.wrong.append(f"claimed as {change.state}, and the effect is there: {states(done)}; {change.note}")
    ended = change.state.final or change.state is State.NEEDS_PERSON
    if not ended and not case.is_blind:
        outcome.wrong.append(f"did not end: {change.state}; {change.note}")


def check_effects(stage: Stage, case: Case, outcome: Outcome) -> None:
    """Note effects beyond one, and any effect without an approved change."""
    world = stage.provider.simulator.world
    outcome.sent = len(stage.provider.simulator.journal.entries(operation=outcome.operation))
    done = effects(world, outcome.operation)
    copies = 2 if case.presets & {"proxy_repeats", "proxy_repeats_power"} else 1
    most = copies if outcome.change is not None else 0
    if len(done) > most:
        outcome.wrong.append(f"{len(done)} effects, at most {most} were approved")


def effects(world: World, operation: str) -> list[SimulatedServer]:
    """Return the server of each effect, as it is now."""
    results = [world.get(effect.server_id) for effect in world.counted(operation)]
    return [server for server in results if server is not None]


def is_reached(operation: str, done: Sequence[SimulatedServer]) -> bool:
    """Return whether a server is where the operation was to bring it; a proxy that repeats may have made two."""
    target = Really.STOPPED if operation == "stop" else Really.RUNNING
    named = [server for server in done if operation != "create" or same_hostname(server.hostname, CREATED)]
    return any(server.state is target for server in named)


def states(servers: Sequence[SimulatedServer]) -> str:
    """Return what servers really do, for a message."""
    return ", ".join(f"{server.hostname} {server.state}" for server in servers) or "nothing was done"
