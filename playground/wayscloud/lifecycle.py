"""What official clients call beside the documented operations on a server: delete, update, move to a larger plan.

The paths and bodies are those of the SDK and of Terraform. Assumed, where no source has them: that a deletion is
immediate, the codes of refusals, that a server between two states refuses, and the bounds of labels and tags.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, Field

from vpsops.playground.wayscloud.account.resources import validated
from vpsops.playground.wayscloud.faults.responses import Answer, refused
from vpsops.playground.wayscloud.hardware.catalogue import CataloguePlan
from vpsops.playground.wayscloud.hardware.model import SimulatedServer
from vpsops.playground.wayscloud.request_log import Entry
from vpsops.playground.wayscloud.simulator import Simulator

LONGEST_NAME = 255
MOST_LABELS = 64
Word = Annotated[str, Field(max_length=LONGEST_NAME)]


class UpdateBody(BaseModel):
    """What can be changed in place; what is absent stays, and what is there replaces all of it."""

    display_name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)] | None = None
    labels: Annotated[dict[Word, Word], Field(max_length=MOST_LABELS)] | None = None
    tags: Annotated[tuple[Word, ...], Field(max_length=MOST_LABELS)] | None = None


class UpgradeBody(BaseModel):
    """The plan to move to."""

    new_plan_code: str


Handler = Callable[[Simulator, Entry, SimulatedServer], Answer]


def delete(simulator: Simulator, entry: Entry, server: SimulatedServer) -> Answer:
    """Delete a server with all that belongs to it."""
    if server.busy:
        return refused(409, f"VPS is busy ({server.state})")
    simulator.world.delete(server)
    entry.effect = True
    return Answer(200, {"ok": True, "action": "delete", "vps_id": server.id})


def update(simulator: Simulator, entry: Entry, server: SimulatedServer) -> Answer:
    """Change the display name, the labels or the tags, and answer with the whole server."""
    order = validated(UpdateBody, entry.body)
    if isinstance(order, Answer):
        return order
    changed = replace(server, **order.model_dump(exclude_none=True))
    if changed != server:
        simulator.world.update(server, changed)
        entry.effect = True
    return Answer(200, simulator.dialect.server(changed))


def upgrade(simulator: Simulator, entry: Entry, server: SimulatedServer) -> Answer:
    """Move a server to a larger plan of its place, at once."""
    order = validated(UpgradeBody, entry.body)
    if isinstance(order, Answer):
        return order
    plans = simulator.dialect.catalogue.plans
    plan = plans.get(order.new_plan_code)
    reason = _reason_against(server, plans[server.plan], plan)
    if plan is None or reason is not None:
        return reason or refused(404, "Plan not found")
    simulator.world.upgrade(server, plan.code)
    entry.effect = True
    return Answer(200, {"ok": True, "action": "upgrade", "vps_id": server.id, "plan_code": plan.code})


def _reason_against(server: SimulatedServer, now: CataloguePlan, plan: CataloguePlan | None) -> Answer | None:
    if server.busy:
        return refused(409, f"VPS is busy ({server.state})")
    if server.location != "NO":
        return refused(501, "Upgrades are not available at this location")
    if plan is not None and (plan.vcpus < now.vcpus or plan.memory_gb < now.memory_gb or plan.disk_gb <= now.disk_gb):
        return refused(422, "Plans can only be upgraded")
    return None


SERVER_CALLS: Mapping[str, Handler] = {"delete": delete, "update": update, "upgrade": upgrade}
