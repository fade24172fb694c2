"""A core with plans: requests for them, yeses, and their members as the database has them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.unit.core.harness import ALICE, BOUND, SLACK, Setup, Stage, staged
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change
from vpsops.core.changes.requests import Held, Outcome, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor
from vpsops.core.plans.model import PlanMember, PlanOptions
from vpsops.core.plans.repository import members_of
from vpsops.core.plans.requests import PlanRequest
from vpsops.core.plans.selection import selection_from
from vpsops.core.storage.tables import CHANGES

__all__ = ["Planner", "Setup", "planned", "staged"]


def planned(*words: str, operation: str = "reboot", actor: Actor = ALICE, key: str = "", **options: Any) -> PlanRequest:
    """Return a request about the servers that some words mean; what is no option of a plan is an argument."""
    names = PlanOptions.__dataclass_fields__
    arguments = {name: value for name, value in options.items() if name not in names}
    own = {name: value for name, value in options.items() if name in names}
    request = Request(operation, arguments, actor, SLACK, reason="patch night", key=key, can_confirm=True)
    return PlanRequest(request, selection_from(words), PlanOptions(**own))


@dataclass(frozen=True, slots=True)
class Planner:
    """Requests plans of one stage and follows them."""

    stage: Stage
    servers: list[str] = field(default_factory=list)

    def add_servers(self, count: int, prefix: str = "app") -> list[str]:
        """Put running servers there, and return their hostnames."""
        names = [f"{prefix}{number:03}.example.com" for number in range(1, count + 1)]
        for name in names:
            self.stage.server(name)
        return names

    async def submit(self, *words: str, **options: Any) -> Outcome:
        """Ask for a plan."""
        return await self.stage.gate.submit_plan(planned(*words, **options), scope=OPERATOR)

    async def held(self, *words: str, **options: Any) -> Change:
        """Ask for a plan that is then held."""
        outcome = await self.submit(*words, **options)
        assert isinstance(outcome, Held), outcome
        return outcome.change

    async def confirmed(self, *words: str, **options: Any) -> Change:
        """Ask for a plan and confirm it."""
        change = await self.held(*words, **options)
        return await self.stage.gate.confirm(change.id, ALICE, change.digest, scope=OPERATOR)

    async def end(self, plan_id: str) -> Change:
        """Return a plan at its end."""
        change = await self.stage.changes.wait(
            plan_id, seconds=10 * BOUND, until=lambda current: current.state.final, scope=OPERATOR
        )
        assert change.state.final, (change.state, change.note)
        return change

    async def done(self, *words: str, **options: Any) -> Change:
        """Ask for a plan, confirm it, and return it at its end."""
        return await self.end((await self.confirmed(*words, **options)).id)

    async def members(self, plan_id: str) -> Sequence[PlanMember]:
        """Return a plan's members as stored."""
        return await self.stage.database.read(lambda connection: members_of(connection, plan_id))

    async def states(self, plan_id: str) -> list[str]:
        """Return the states of a plan's members in their order."""
        return [member.state.value for member in await self.members(plan_id)]

    async def changes_of(self, plan_id: str) -> Sequence[Change]:
        """Return the changes of a plan's members, the oldest first."""
        return await self.stage.database.read(
            lambda connection: repository.select(connection, CHANGES.c.plan == plan_id, limit=None, oldest_first=True)
        )
