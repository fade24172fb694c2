"""The resources of a server, as data: each family, and one row for each of its operations.

The names come from the SDK and the command line; a new family is a `Collection` and rows in `RESOURCES`. Assumed,
where no source has them: success codes, the codes of refusals, that deletions and rollbacks are immediate, and that
equal firewall rules may stand beside each other.
"""

import ipaddress
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from vpsops.playground.wayscloud.account.account import Item, World
from vpsops.playground.wayscloud.faults.responses import Answer, refused
from vpsops.playground.wayscloud.hardware.fleet import identity
from vpsops.playground.wayscloud.hardware.model import ServerState, SimulatedServer
from vpsops.playground.wayscloud.hardware.simulated_clock import zulu

Json = dict[str, object]
SNAPSHOTS_MOST = 10
RESTORE_MISSING = "Restore is not implemented yet"
POLICY = "policy"


class SnapshotBody(BaseModel):
    """The source of a snapshot."""

    snapshot_name: Annotated[str, Field(min_length=1, max_length=100)]
    description: str | None = None


class NoBody(BaseModel):
    """A request without a body; a sent one is ignored."""


class PolicyBody(BaseModel):
    """A schedule of backups."""

    enabled: bool = True
    frequency: Literal["daily", "weekly"] = "daily"
    time_of_day: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "03:00"
    day_of_week: Annotated[int, Field(ge=0, le=6)] | None = None
    retention_days: Annotated[int, Field(ge=1, le=90)] = 7


def _network(text: str) -> str:
    ipaddress.ip_network(text, strict=False)  # raises ValueError
    return text


class RuleBody(BaseModel):
    """The packets that a firewall rule lets in; `source` is kept as it came."""

    port: Annotated[int, Field(ge=1, le=65535)]
    protocol: Literal["tcp", "udp"] = "tcp"
    source: Annotated[str, AfterValidator(_network)] = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class ResourceCall:
    """One request about a server's resources; `item` is the id in the path, or empty."""

    world: World
    server: SimulatedServer
    item: str
    body: bytes

    @property
    def at(self) -> float:
        """The world's seconds."""
        return self.world.time.seconds()


Handler = Callable[[ResourceCall], Answer]


@dataclass(frozen=True, slots=True)
class Collection:
    """A family of resources: `key` holds their list, `id_field` the id, `making` seconds pass until one is `ready`.

    One that is never in the making has no `ready`, and no status.
    """

    key: str
    id_field: str
    order: type[BaseModel]
    ready: str
    making: float
    fields: Callable[[ResourceCall, Item], Json]
    most: int | None = None
    refusal: Callable[[SimulatedServer], Answer | None] = lambda _: None

    def all(self, call: ResourceCall) -> dict[str, Item]:
        """Return the server's resources of this family by id."""
        return call.world.items_of(call.server.id, self.key)

    def as_json(self, call: ResourceCall, item: Item) -> Json:
        """Return one resource as the list shows it."""
        status = {"status": self.ready if call.at >= item.ready else "creating"} if self.ready else {}
        return {self.id_field: item.id} | status | self.fields(call, item)


@dataclass(frozen=True, slots=True)
class Resource:
    """One operation: `path` continues the server's; `effect` counts every success."""

    method: str
    path: str
    handler: Handler
    effect: bool = False


def listed(collection: Collection) -> Handler:
    """Answer with all resources of a family."""

    def handle(call: ResourceCall) -> Answer:
        return Answer(200, {collection.key: [collection.as_json(call, item) for item in collection.all(call).values()]})

    return handle


def made(collection: Collection) -> Handler:
    """Make one resource; a used name is 409, a full family 429 as the SDK's "resource limit reached"."""

    def handle(call: ResourceCall) -> Answer:
        order = validated(collection.order, call.body)
        if isinstance(order, Answer):
            return order
        things, refusal = collection.all(call), collection.refusal(call.server)
        if refusal:
            return refusal
        fields = order.model_dump()
        name = str(fields.get(collection.id_field) or drawn_id(call))
        if name in things:
            return refused(409, f"{name} already exists")
        if collection.most is not None and len(things) >= collection.most:
            return refused(429, f"At most {collection.most} {collection.key} for each VPS")
        item = Item(name, fields, call.at + collection.making, call.world.time.now())
        things[name] = item
        return Answer(201, collection.as_json(call, item))

    return handle


def drawn_id(call: ResourceCall) -> str:
    """Return an id for a resource that its maker did not name; equal histories give equal ids."""
    return identity(Random(f"{call.server.id}/{call.world.counts.total()}"))


def with_item(collection: Collection, work: Callable[[ResourceCall, Item], Answer]) -> Handler:
    """Answer about one item; 404 when it does not exist."""

    def handle(call: ResourceCall) -> Answer:
        item = collection.all(call).get(call.item)
        return refused(404, f"{call.item} not found") if item is None else work(call, item)

    return handle


def deleted(collection: Collection, action: str) -> Handler:
    """Delete one resource."""

    def work(call: ResourceCall, item: Item) -> Answer:
        del collection.all(call)[item.id]
        return Answer(200, {"ok": True, "action": action})

    return with_item(collection, work)


def while_off(body: Json) -> Callable[[ResourceCall, Item], Answer]:
    """Do something that needs a server that is off."""

    def work(call: ResourceCall, _: Item) -> Answer:
        stopped = call.server.state is ServerState.STOPPED
        return Answer(200, body) if stopped else refused(409, "VPS must be stopped")

    return work


def _restored(call: ResourceCall, item: Item) -> Answer:
    if not call.world.config.restores:
        return refused(501, RESTORE_MISSING)
    if call.at < item.ready:
        return refused(409, "Backup is not complete")
    return while_off({"message": "Restore queued"})(call, item)


def _download(call: ResourceCall, item: Item) -> Answer:
    if call.at < item.ready:
        return refused(409, "Backup is not complete")
    place = f"https://storage.example.com/{item.id}.qcow2?signature={Random(item.id).getrandbits(64):016x}"
    expires = zulu(call.world.time.now() + timedelta(hours=1))
    return Answer(200, {"backup_id": item.id, "download_url": place, "expires_at": expires})


def _needs_qcow2(server: SimulatedServer) -> Answer | None:
    if server.busy:
        return refused(409, f"VPS is busy ({server.state})")
    return None if server.location == "NO" else refused(400, "Snapshots need a qcow2 disk")


def _busy(server: SimulatedServer) -> Answer | None:
    return refused(409, f"VPS is busy ({server.state})") if server.busy else None


def _snapshot_fields(_: ResourceCall, item: Item) -> Json:
    return {"created_at": zulu(item.created_at), "description": item.fields.get("description")}


def _backup_fields(call: ResourceCall, item: Item) -> Json:
    complete = call.at >= item.ready
    return {
        "backup_type": "manual",
        "size_gb": _size(item) if complete else None,
        "started_at": zulu(item.created_at),
        "expires_at": zulu(item.created_at + timedelta(days=7)) if complete else None,
    }


def _size(item: Item) -> float:
    return round(Random(item.id).uniform(1, 30), 2)


SNAPSHOTS = Collection(
    "snapshots", "snapshot_name", SnapshotBody, "available", 20.0, _snapshot_fields, SNAPSHOTS_MOST, _needs_qcow2
)
FIREWALL = Collection("rules", "id", RuleBody, "", 0.0, lambda _, item: item.fields)
BACKUPS = Collection("backups", "backup_id", NoBody, "completed", 120.0, _backup_fields, None, _busy)


def _policy(call: ResourceCall) -> Answer:
    item = call.world.items_of(call.server.id, POLICY).get(POLICY)
    return Answer(200, {"policy": None if item is None else _policy_fields(call, item)})


def _set_policy(call: ResourceCall) -> Answer:
    order = validated(PolicyBody, call.body)
    if isinstance(order, Answer):
        return order
    item = Item(POLICY, order.model_dump(), call.at, call.world.time.now())
    call.world.items_of(call.server.id, POLICY)[POLICY] = item
    document = _policy_fields(call, item)
    return Answer(200, {"policy": document, "next_backup_at": document["next_backup_at"]})


def _removed_policy(call: ResourceCall) -> Answer:
    removed = call.world.items_of(call.server.id, POLICY).pop(POLICY, None)
    if removed is None:
        return refused(404, "No backup policy")
    return Answer(200, {"ok": True, "action": "delete_backup_policy"})


def _policy_fields(call: ResourceCall, item: Item) -> Json:
    chosen = PolicyBody.model_validate(item.fields)
    return item.fields | {"next_backup_at": _next(chosen, call.world.time.now()), "last_backup_at": None}


def _next(policy: PolicyBody, now: datetime) -> str | None:
    if not policy.enabled:
        return None
    hour, minute = map(int, policy.time_of_day.split(":"))
    day = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    weekday = policy.day_of_week if policy.frequency == "weekly" else None
    while day <= now or weekday not in (None, day.weekday()):
        day += timedelta(days=1)
    return zulu(day)


def _usage(call: ResourceCall) -> Answer:
    complete = [item for item in BACKUPS.all(call).values() if call.at >= item.ready]
    return Answer(
        200, {"total_backups": len(complete), "total_size_gb": round(sum(_size(item) for item in complete), 2)}
    )


RESOURCES: Mapping[str, Resource] = {
    "snapshots": Resource("GET", "snapshots", listed(SNAPSHOTS)),
    "create_snapshot": Resource("POST", "snapshots", made(SNAPSHOTS), effect=True),
    "delete_snapshot": Resource(
        "DELETE", "snapshots/{snapshot_name}", deleted(SNAPSHOTS, "delete_snapshot"), effect=True
    ),
    "rollback_snapshot": Resource(
        "POST",
        "snapshots/{snapshot_name}/rollback",
        with_item(SNAPSHOTS, while_off({"ok": True, "action": "rollback"})),
        effect=True,
    ),
    "backups": Resource("GET", "backups", listed(BACKUPS)),
    "create_backup": Resource("POST", "backups", made(BACKUPS), effect=True),
    "delete_backup": Resource("DELETE", "backups/{backup_id}", deleted(BACKUPS, "delete_backup"), effect=True),
    "restore_backup": Resource("POST", "backups/{backup_id}/restore", with_item(BACKUPS, _restored), effect=True),
    "download_backup": Resource("GET", "backups/{backup_id}/download", with_item(BACKUPS, _download)),
    "backup_policy": Resource("GET", "backup-policy", _policy),
    "set_backup_policy": Resource("PUT", "backup-policy", _set_policy, effect=True),
    "delete_backup_policy": Resource("DELETE", "backup-policy", _removed_policy, effect=True),
    "backup_usage": Resource("GET", "backup-usage", _usage),
    "firewall": Resource("GET", "firewall", listed(FIREWALL)),
    "add_firewall_rule": Resource("POST", "firewall", made(FIREWALL), effect=True),
    "remove_firewall_rule": Resource(
        "DELETE", "firewall/{rule_id}", deleted(FIREWALL, "remove_firewall_rule"), effect=True
    ),
}


def validated(model: type[BaseModel], body: bytes) -> Any:
    """Return the body as `model`, or the answer that refuses it in the framework's shape."""
    if model is NoBody:
        return NoBody()
    try:
        return model.model_validate(json.loads(body or b"null"))
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)
        return refused(422, [{**item, "loc": ["body", *item["loc"]]} for item in errors])
    except ValueError:
        return refused(422, [{"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error", "input": {}}])
