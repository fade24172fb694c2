"""Plans and runbooks that are stored as agreed to, with their members, and that no process runs yet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.engine import Connection

from tests.stateful.harness import POLICY, StatefulHarness
from tests.unit.core.sample import change, put
from vpsops.core.authorization.submission import checked
from vpsops.core.changes.audit_entries import requested
from vpsops.core.changes.model import State
from vpsops.core.changes.preview import Preview, locate, previewed
from vpsops.core.changes.requests import Request
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.traits import RUNBOOK
from vpsops.core.plans.model import PlanMember, PlanOptions
from vpsops.core.plans.repository import insert_members
from vpsops.core.plans.requests import plan_preview
from vpsops.core.plans.steps import StepPart
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.schedule.model import LaterRequest, Schedule


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One member to be: an operation on a server, in a runbook with its part, and as another one will have left it."""

    operation: str
    hostname: str
    part: StepPart | None = None
    after: str = ""


async def store_plan(
    scene: StatefulHarness,
    plan_id: str,
    steps: Sequence[PlannedStep],
    options: PlanOptions | None = None,
    schedule: Schedule | None = None,
) -> None:
    """Store a plan as approved, or with a schedule as waiting for its time; with parts it is a runbook."""
    members = [await _member(scene, number, step) for number, step in enumerate(steps, 1)]
    seen = plan_preview(OPERATIONS[steps[0].operation], members, options or PlanOptions(), ()).scheduled(schedule)
    seen = replace(seen, operation=RUNBOOK.name) if steps[0].part is not None else seen

    def store(connection: Connection) -> None:
        _insert(scene, connection, plan_id, seen)
        insert_members(connection, plan_id, members)

    await scene.observer.database.transact(store)


async def _member(scene: StatefulHarness, number: int, step: PlannedStep) -> PlanMember:
    api, operation = scene.observer.api, OPERATIONS[step.operation]
    located = await locate(api, checked(operation, {"server": step.hostname}))
    server = located.server
    leads_to = OPERATIONS[step.after].leads_to if step.after else None
    if leads_to is not None and server is not None:
        server = leads_to(server, located.arguments, None)
    seen = previewed(operation, located.arguments, server, await operation.check(api, located.arguments, server))
    return PlanMember(number, step.operation, seen.arguments, seen.target, seen.digest(POLICY), part=step.part)


def _insert(scene: StatefulHarness, connection: Connection, plan_id: str, seen: Preview) -> None:
    now, schedule = scene.clock.now(), seen.schedule
    stored = change(
        seen.operation,
        State.APPROVED if schedule is None else State.SCHEDULED,
        id=plan_id,
        sent_at=None,
        arguments=seen.arguments,
        target=seen.target,
        ruling=Ruling(Decision.ALLOW, policy=POLICY),
        digest=seen.digest(POLICY),
        facts=seen.facts,
        schedule=schedule,
        created_at=now,
        updated_at=now,
    )
    later = LaterRequest(schedule.words) if schedule is not None else None
    request = Request(
        stored.operation, stored.arguments, stored.actor, stored.origin, reason=stored.reason, later=later
    )
    put(connection, stored, body=requested(request, seen, stored.ruling))
