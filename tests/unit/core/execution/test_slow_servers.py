"""Servers that do not answer delay their own changes, and no check, end or write of any other."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import anyio
import pytest

from tests.fakes.timing import QUICK
from tests.harness.patience import PATIENCE_SECONDS, eventually
from tests.harness.virtual_time import VirtualClock
from tests.unit.core import harness as stages
from tests.unit.core.harness import ALICE, SLACK, Setup, Stage, staged
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.limits.model import Limits
from vpsops.core.storage import Database
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

FOREVER = 3600.0
BOUND = PATIENCE_SECONDS
PATIENT = replace(
    stages.BRISK, read_seconds=FOREVER, attempt_seconds=FOREVER, total_seconds=FOREVER, change_seconds=FOREVER
)
"""No limit on the client side: waiting for a server that hangs would outlast a test."""
TIMING = replace(
    QUICK,
    read_budget=0.2,
    read_patience=2.0,
    uptime_wait=0.1,
    write_burst=100,
    power_limit=FOREVER,
    power_lookup=FOREVER,
    missing_limit=FOREVER,
)


@pytest.fixture
async def slow_provider() -> AsyncIterator[SimulatorHandle]:
    """A provider where a stop takes half a second, so that a check comes before its end."""
    async with running_simulator(SimulatorConfig(dialect="seed", speed=20.0, seed=7), clock=VirtualClock()) as handle:
        yield handle


@pytest.fixture
async def stage(
    database_url: str, slow_provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    monkeypatch.setattr(stages, "BRISK", PATIENT)
    async with staged(database_url, slow_provider, Setup(TIMING)) as made:
        yield made


async def sent(stage: Stage, operation: str, hostname: str) -> Change:
    held = await stage.confirmed(operation, server=stage.server(hostname).id)
    return await stage.changes.wait(
        held.id, seconds=BOUND, until=lambda change: change.sent_at is not None, scope=OPERATOR
    )


async def ended(stage: Stage, change: Change) -> Change:
    return await stage.changes.wait(change.id, seconds=BOUND, until=lambda current: current.state.final, scope=OPERATOR)


@pytest.mark.parametrize("hanging", [2, 12])
@pytest.mark.requirement("hanging-servers-hold-up-only-their-own")
async def test_servers_whose_status_hangs_delay_no_other_end(stage: Stage, hanging: int) -> None:
    """A stop needs the list alone, another reboot a status of its own; both are older than the reboots that hang."""
    stage.fault("slow", "status", "hung*", seconds=FOREVER)
    others = [await sent(stage, "stop", "web.example.com"), await sent(stage, "reboot", "db.example.com")]
    stuck = [await sent(stage, "reboot", f"hung{n}.example.com") for n in range(hanging)]
    others += [await sent(stage, "reboot", "app.example.com"), await sent(stage, "stop", "mail.example.com")]
    for change in others:
        assert (await ended(stage, change)).state is State.SUCCEEDED, change.target.hostname
    for change in stuck:
        assert not (await stage.changes.wait(change.id, seconds=0.0, scope=OPERATOR)).state.final


async def test_a_server_that_cannot_be_shown_in_full_ends_with_what_the_list_says(stage: Stage) -> None:
    """The list reported the stop; reading further details does not delay the end for long."""
    change = await sent(stage, "stop", "web.example.com")
    stage.fault("slow", "get", "web*", seconds=FOREVER)
    settled = await ended(stage, change)
    assert (settled.state, settled.result["hostname"]) == (State.SUCCEEDED, "web.example.com")


@pytest.mark.parametrize("seconds", [0.3, 0.7])
async def test_a_server_that_answers_slowly_is_still_read(stage: Stage, seconds: float) -> None:
    """A server that exceeds a poll's budget is read apart from the polls, with a longer limit each time."""
    stage.fault("slow", "status", "web*", seconds=seconds)
    change = await sent(stage, "reboot", "web.example.com")
    assert (await ended(stage, change)).state is State.SUCCEEDED


@pytest.mark.requirement("hanging-servers-hold-up-only-their-own")
async def test_servers_that_hang_before_their_changes_are_sent_delay_no_write(stage: Stage) -> None:
    """More approved changes hang in their second check than reads may run at once: another change is still sent."""
    held = [await stage.ask("stop", server=stage.server(f"hung{n}.example.com").id) for n in range(20)]
    stage.fault("slow", "get", "hung*", seconds=FOREVER)
    for item in held:
        await stage.gate.confirm(item.id, ALICE, item.digest, scope=OPERATOR)
    await eventually(lambda: stage.asked("get") >= 2 * len(held))  # each was readable when asked for, and hangs now
    assert (await ended(stage, await sent(stage, "stop", "web.example.com"))).state is State.SUCCEEDED
    assert stage.asked("stop") == 1


async def test_changes_that_only_wait_cost_no_transaction_each(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of many changes without news takes as many transactions as a check of a single change."""
    stage.fault("drop_before", "reboot")  # never carried out, and the outcome is unknown: they are queried for long
    for n in range(20):
        await sent(stage, "reboot", f"web{n}.example.com")
    counted: list[str] = []
    transact = Database.transact

    async def counting(database: Database, work: Any, **more: Any) -> Any:
        counted.append(work.__qualname__)
        return await transact(database, work, **more)

    monkeypatch.setattr(Database, "transact", counting)
    polls = stage.asked("list")
    await eventually(lambda: stage.asked("list") >= polls + 4)
    mine = [item for item in counted if "Watcher" in item or "Settlement" in item or "Lookout" in item]
    assert len(mine) <= 2 * (stage.asked("list") - polls + 1)


async def test_prices_that_hang_refuse_a_create_instead_of_keeping_it(
    database_url: str, slow_provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on money reads each server's price; a price that is not read soon is refused like an unknown price."""
    monkeypatch.setattr(stages, "BRISK", PATIENT)
    limits = Limits(max_monthly_spend=1e9)
    async with staged(database_url, slow_provider, Setup(TIMING, limits=limits)) as stage:
        stage.fault("slow", "get", seconds=FOREVER)
        order = {"hostname": "new.example.com", "plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}
        with anyio.fail_after(BOUND):
            outcome = await stage.gate.submit(Request("create", order, ALICE, SLACK, can_confirm=True), scope=OPERATOR)
        assert isinstance(outcome, Refused)
        assert "is not known" in outcome.reason


async def test_servers_that_hang_are_shown_as_the_list_has_them(stage: Stage) -> None:
    """A list in full is as long in coming as its slowest server, but not longer than a few seconds."""
    stage.server("web.example.com")
    stage.fault("slow", "get", seconds=FOREVER)
    asked = Request("list", {}, ALICE, SLACK)
    with anyio.fail_after(BOUND):
        listed = await stage.servers.list_all(asked, scope=OPERATOR)
        servers = await stage.servers.in_full(asked, listed, len(listed), scope=OPERATOR)
    assert [entry.id for entry in servers] == [entry.id for entry in listed]
