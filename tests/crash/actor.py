"""One process of a crash run: asks, confirms, votes, and runs what was decided, until it is killed."""

import json
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import anyio

from tests.crash.names import resolve_slowly
from tests.crash.plan import ASKER, VOTERS, PlanItem
from tests.crash.server_ends import ServerEndItem, shorten_lifetimes
from tests.crash.server_plans import ServerPlanItem
from tests.fakes.accounts import EVERYBODY
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.requests import Done, Held, Outcome
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError, StaleChangeError, StorageError
from vpsops.core.common.timings import Timing
from vpsops.core.config.settings import load_settings
from vpsops.core.ends.model import EndState
from vpsops.core.policy.decision import Decision
from vpsops.core.service.gate import Gate
from vpsops.core.wayscloud.answers.errors import WayscloudError

TIMING = Timing(
    keep_seconds=0.5,
    poll_young=0.3,
    poll_grown=0.5,
    poll_old=1.0,
    create_limit=60.0,
    power_limit=60.0,
    agree_gap=0.2,
    missing_limit=20.0,
    create_lookup=6.0,
    power_lookup=6.0,
    read_budget=0.3,
    read_patience=2.4,
    uptime_wait=0.3,
    write_gap=0.02,
    write_burst=50,
)
AT_ONCE = 8
AnyItem = PlanItem | ServerPlanItem | ServerEndItem
TROUBLE = (StaleChangeError, NotAllowedError, StorageError, WayscloudError)


async def main(items: Sequence[AnyItem]) -> None:
    """Drive this process's share of the plan, then stay for the others' sake until standard input ends."""
    resolve_slowly()
    shorten_lifetimes()
    share, shares, timing = int(sys.argv[2]), int(sys.argv[3]), replace(TIMING, confirm_seconds=float(sys.argv[4]))
    async with open_core(load_settings(), front="worker", timing=timing, accounts=EVERYBODY) as core:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        limiter = anyio.CapacityLimiter(AT_ONCE)
        async with anyio.create_task_group() as group:
            for item in items:
                if item.number % shares == share:
                    group.start_soon(_drive_slowly, core, item, limiter)
        sys.stdout.write("driven\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


async def _drive_slowly(core: Core, item: AnyItem, limiter: anyio.CapacityLimiter) -> None:
    async with limiter:
        while not await _drive(core, item):
            await core.clock.sleep(0.2)
        await core.clock.sleep(random.uniform(0, 0.3))  # noqa: S311 - spreads the load
    if isinstance(item, ServerEndItem):
        while not await _follow_end(core, item):
            await core.clock.sleep(0.5)


async def _follow_end(core: Core, item: ServerEndItem) -> bool:
    """Do what people do about a server with an end; return whether nothing is left to do."""
    try:
        made = await _submit(core.gate, item)
        if not isinstance(made, Done | Held) or made.change is None:
            return False
        end = await core.ends.of_change(made.change.id, scope=OPERATOR)
        if end is None:
            return (await core.changes.get(made.change.id, scope=OPERATOR)).state.final
        if item.fate == "keep" and end.turn == 1 and end.state is EndState.OPEN:
            await core.gate.keep_server(item.keeping(end.server_id), scope=OPERATOR)
        if not end.delete_id:
            return end.state in {EndState.STOPPED, EndState.ASKED}
        await _decide_deletion(core, item, await core.changes.get(end.delete_id, scope=OPERATOR))
    except TROUBLE:
        return False
    return True


async def _decide_deletion(core: Core, item: ServerEndItem, deletion: Change) -> None:
    """Let an approver say yes or no to a deletion, or leave it until it expires."""
    if deletion.state is State.HELD and item.fate != "leave":
        verdict = Verdict.APPROVE if item.is_deleted else Verdict.DENY
        await core.gate.vote(
            deletion.id, VOTERS[0], verdict, deletion.digest, reason="crash run", evidence="drawn", scope=OPERATOR
        )


async def _drive(core: Core, item: AnyItem) -> bool:
    """Take a change to where people leave it; returns whether that worked this time."""
    try:
        outcome = await _submit(core.gate, item)
        if isinstance(outcome, Held):
            await _decide(core, item, outcome.change)
        if isinstance(outcome, Done | Held) and outcome.change is not None and item.fate == "stop":
            await _stop(core, outcome.change)
        return isinstance(outcome, Done | Held)
    except TROUBLE:
        return False


async def _submit(gate: Gate, item: AnyItem) -> Outcome:
    if isinstance(item, ServerPlanItem):
        return await gate.submit_plan(item.planned, scope=OPERATOR)
    return await gate.submit(item.request, scope=OPERATOR)


async def _stop(core: Core, plan: Change) -> None:
    """Stop a plan once a member of it is done, unless it ends before."""
    while not plan.state.final:
        if plan.state is State.WATCHING and not plan.note.startswith("0 of"):
            await core.gate.stop_plan(plan.id, ASKER, scope=OPERATOR)
            return
        await core.clock.sleep(0.2)
        plan = await core.changes.get(plan.id, scope=OPERATOR)


async def _decide(core: Core, item: AnyItem, change: Change) -> None:
    if isinstance(item, ServerEndItem):
        await _confirm(core.gate, change)
        return
    match item.fate:
        case "cancel":
            await core.gate.cancel(change.id, change.actor, scope=OPERATOR)
        case "confirm" | "stop":
            await _confirm(core.gate, change)
        case "approve" | "deny":
            await _vote(core, item, change)
        case _:
            return


async def _confirm(gate: Gate, change: Change) -> None:
    """Confirm twice in the same instant: one of the two must be refused. Raises `StorageError`."""
    troubles: list[StorageError] = []
    async with anyio.create_task_group() as group:
        group.start_soon(_click, gate, change, troubles)
        group.start_soon(_click, gate, change, troubles)
    if troubles:
        raise troubles[0]


async def _click(gate: Gate, change: Change, troubles: list[StorageError]) -> None:
    try:
        await gate.confirm(change.id, ASKER, change.digest, scope=OPERATOR)
    except StaleChangeError:
        return
    except StorageError as error:
        troubles.append(error)


async def _vote(core: Core, item: PlanItem | ServerPlanItem, change: Change) -> None:
    done = {vote.voter.id for vote in change.votes}
    verdicts = [Verdict.APPROVE, Verdict.APPROVE if item.fate == "approve" else Verdict.DENY]
    for voter, verdict in zip(VOTERS, verdicts, strict=False):
        now = await core.changes.get(change.id, scope=OPERATOR)
        if now.state is State.HELD and now.ruling.decision is Decision.APPROVE and voter.id not in done:
            await core.gate.vote(
                change.id, replace(voter), verdict, change.digest, reason="crash run", evidence="drawn", scope=OPERATOR
            )


if __name__ == "__main__":
    stored = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    ends = [ServerEndItem(**values) for values in stored["ends"]]
    plans = [ServerPlanItem(**values) for values in stored["plans"]]
    everything: list[AnyItem] = [*ends, *plans, *(PlanItem(**values) for values in stored["changes"])]
    anyio.run(main, everything)
