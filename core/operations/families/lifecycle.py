"""Delete, rename and resize a server. No page of the provider documents these calls; its official clients make them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar, cast

import anyio

from vpsops.core.common.errors import InvalidInputError, UnchangedError
from vpsops.core.common.text import moment, money
from vpsops.core.common.timings import DETAIL_SECONDS, Pace
from vpsops.core.operations.arguments import ArgumentKind as K
from vpsops.core.operations.arguments import Arguments, ArgumentSpec
from vpsops.core.operations.facts import UNKNOWN, Fact, changed
from vpsops.core.operations.families.create import find_plan, read_plans
from vpsops.core.operations.families.parts import server_of
from vpsops.core.operations.prices import Price, monthly, price
from vpsops.core.operations.registry import Operation, Risk, ServerArguments, Synonyms
from vpsops.core.operations.strategies import Inspected, Inspection, LiveState, Precheck, Sent
from vpsops.core.wayscloud.answers.errors import NotOfferedError, WayscloudError
from vpsops.core.wayscloud.answers.hostnames import canonical_hostname
from vpsops.core.wayscloud.answers.models import AcceptedOperation, Plan, ProviderList, Server
from vpsops.core.wayscloud.answers.validate import validate_text
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests import endpoints
from vpsops.core.wayscloud.requests.send_hook import SendHook

T = TypeVar("T")
NOT_OFFERED: Final = ""
"""The value of a fact about what the API does not have: it is not shown."""


class RenameArguments(ServerArguments):
    """A server, and the name that people see; the hostname stays."""

    name: Annotated[str, ArgumentSpec(K.TEXT, "Name")]


class ResizeArguments(ServerArguments):
    """A server, and the plan to move it to."""

    plan: Annotated[str, ArgumentSpec(K.PLAN, "Plan")]


@dataclass(frozen=True, slots=True)
class Loss:
    """What goes with a server that is deleted, in words."""

    saved: str
    snapshots: str
    backups: str


@dataclass(frozen=True, slots=True)
class Resize:
    """The plans before and after, as far as the catalogue has them."""

    before: Plan | None
    after: Plan | None
    price_before: Price | None


async def check_delete(api: Wayscloud, _arguments: Arguments, server: Server | None) -> Precheck:
    """Read what goes with a server: its price, and its backups."""
    of = server_of(server)
    plans = await _within(lambda: read_plans(api))
    plan = next((item for item in plans or () if item.code.lower() == (of.plan or "").lower()), None)
    cost = monthly(of, plan)
    saved = f"{money(cost.amount, cost.currency)} a month" if cost is not None else UNKNOWN
    return Precheck(details=Loss(saved, await _snapshots(api, of), await _backups(api, of)))


def describe_delete(_arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    """State the age of a server, what is lost with it, and the price saved."""
    created = live.server.created_at if live.server is not None else None
    loss = cast("Loss", live.details)
    return (
        Fact("Created", moment(created) if created is not None else UNKNOWN),
        Fact("Lost", "the disk, all data on it, and its snapshots"),
        Fact("Snapshots", loss.snapshots),
        Fact("Backups", loss.backups),
        Fact("Price saved", loss.saved),
    )


async def _snapshots(api: Wayscloud, server: Server) -> str:
    try:
        listed = await _within(lambda: api.snapshots.list_snapshots(server.id))
    except NotOfferedError:
        return NOT_OFFERED
    if listed is None or not listed.complete:
        return UNKNOWN
    return ", ".join(sorted(snapshot.name for snapshot in listed)) or "none"


async def _backups(api: Wayscloud, server: Server) -> str:
    try:
        listed = await _within(lambda: api.backups.list_backups(server.id))
    except NotOfferedError:
        return NOT_OFFERED
    if listed is None or not listed.complete:
        return UNKNOWN
    return f"{len(listed)}, it is not known whether they stay" if listed else "none"


async def _within(read: Callable[[], Awaitable[ProviderList[T]]]) -> ProviderList[T] | None:
    """Return a list, or nothing where it cannot be read soon. Raises `NotOfferedError`."""
    with anyio.move_on_after(DETAIL_SECONDS):
        try:
            return await read()
        except NotOfferedError:
            raise
        except WayscloudError:
            return None
    return None


async def check_rename(api: Wayscloud, arguments: Arguments, server: Server | None) -> Precheck:
    """Refuse a name that is none, that the server has, or by which people reach another server."""
    of, renamed = server_of(server), cast("RenameArguments", arguments)
    name = validate_text(renamed.name, "name")
    if name == of.display_name:
        raise UnchangedError(f"{of.hostname} has this name already.")
    listed = await api.list_servers()
    other = next((item for item in listed if item.id != of.id and _answers_to(item, name)), None)
    if other is not None:
        raise InvalidInputError(
            f"This name stands for another server: {other.hostname} ({other.id}).", hint="Choose another name."
        )
    if not listed.complete:
        raise InvalidInputError(
            f"Whether another server has this name is not known: {listed.lack}.", hint="Ask again later."
        )
    return Precheck(arguments=renamed.model_copy(update={"name": name}))


def _answers_to(server: Server, name: str) -> bool:
    """Return whether people reach a server by a name: its hostname, the first part of that, or its display name."""
    word = canonical_hostname(name)
    names = {canonical_hostname(server.hostname), server.hostname.lower().split(".", 1)[0], server.id.lower()}
    return word in names or name.lower() == (server.display_name or "").lower()


def describe_rename(arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    """State the name before and after."""
    before = live.server.display_name if live.server is not None else None
    return (changed("Name", before or UNKNOWN, cast("RenameArguments", arguments).name),)


async def inspect_rename(api: Wayscloud, sent: Sent) -> Inspection:
    """Compare the server's name with the new name."""
    server = await api.get_server(sent.target.id)
    if server.display_name is None:
        return Inspection(Inspected.NOT_KNOWABLE, "The API does not show the server's name.")
    renamed = server.display_name == cast("RenameArguments", sent.arguments).name
    return Inspection(Inspected.DONE if renamed else Inspected.NOT_DONE, f"The name is {server.display_name}.")


async def check_resize(api: Wayscloud, arguments: Arguments, server: Server | None) -> Precheck:
    """Refuse the plan that the server has, one that there is not, and one that is smaller in anything."""
    of, resized = server_of(server), cast("ResizeArguments", arguments)
    if of.plan is not None and of.plan.lower() == resized.plan.lower():
        raise UnchangedError(f"{of.hostname} has the plan {of.plan} already.")
    plans = await read_plans(api)
    after = find_plan(plans, resized.plan)
    before = next((item for item in plans if item.code.lower() == (of.plan or "").lower()), None)
    if after is not None:
        _check_larger(of, before, after)
    return Precheck(
        details=Resize(before, after, monthly(of, before)),
        arguments=resized.model_copy(update={"plan": after.code}) if after is not None else None,
        cost=price(after),
        monthly=after.monthly_price if after is not None else None,
        currency=(after.currency or "") if after is not None else "",
    )


def _check_larger(server: Server, before: Plan | None, after: Plan) -> None:
    """Raise `InvalidInputError` where a plan has less of anything than the server has now."""
    now = server if server.memory_gb is not None or before is None else before
    sizes = (
        ("vCPU", now.vcpus, after.vcpus),
        ("GB of memory", now.memory_gb, after.memory_gb),
        ("GB of disk", now.disk_gb, after.disk_gb),
    )
    known = [(what, has, gets) for what, has, gets in sizes if has is not None and gets is not None]
    for what, has, gets in known:
        if gets < has:
            raise InvalidInputError(
                f"{after.code} has {gets:g} {what}, {server.hostname} has {has:g}.",
                hint="A server can move to a larger plan only. Make a new, smaller server instead.",
            )
    if len(known) == len(sizes) and all(gets == has for _, has, gets in known):
        raise InvalidInputError(f"{after.code} is as large as {server.hostname} is now.", hint="Choose a larger plan.")


def describe_resize(arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    """State plan, size and price before and after."""
    seen = cast("Resize", live.details)
    now = live.server.plan if live.server is not None else None
    before = f"{money(seen.price_before.amount, seen.price_before.currency)} a month" if seen.price_before else UNKNOWN
    return (
        changed("Plan", now or UNKNOWN, cast("ResizeArguments", arguments).plan),
        changed("Size", _size(live.server, seen.before), _size(None, seen.after)),
        changed("Price", before, price(seen.after)),
    )


def resized(server: Server, arguments: Arguments, details: object) -> Server:
    """Return a server on its new plan; its sizes are that plan's, and its price is not its own any more."""
    after = cast("Resize", details).after
    sizes = (after.vcpus, after.memory_gb, after.disk_gb) if after is not None else (None, None, None)
    own = dict(zip(("vcpus", "memory_gb", "disk_gb"), sizes, strict=True))
    plan = cast("ResizeArguments", arguments).plan
    return server.model_copy(update={"plan": plan, **own, "monthly_price": None, "currency": None})


def _size(server: Server | None, plan: Plan | None) -> str:
    """Return the size that a server reports of itself, else that of its plan."""
    of = server if server is not None and server.memory_gb is not None else plan
    if of is None or of.vcpus is None or of.memory_gb is None or of.disk_gb is None:
        return UNKNOWN
    return f"{of.vcpus} vCPU, {of.memory_gb:g} GB memory, {of.disk_gb:g} GB disk"


async def inspect_resize(api: Wayscloud, sent: Sent) -> Inspection:
    """Compare the server's plan with the new plan."""
    server = await api.get_server(sent.target.id)
    if server.failed:
        return Inspection(Inspected.FAILED, f"The provider reports {server.status}.")
    if server.plan is None:
        return Inspection(Inspected.NOT_KNOWABLE, "The API does not show the server's plan.")
    if server.plan.lower() != cast("ResizeArguments", sent.arguments).plan.lower():
        return Inspection(Inspected.NOT_DONE, f"The plan is {server.plan}.")
    return Inspection(Inspected.UNDER_WAY if server.pending else Inspected.DONE, f"The plan is {server.plan}.")


async def _delete(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> AcceptedOperation:
    return await api.delete_server(cast("ServerArguments", arguments).server, departure=departure)


async def _rename(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> AcceptedOperation:
    renamed = cast("RenameArguments", arguments)
    return await api.rename_server(renamed.server, renamed.name, departure=departure)


async def _resize(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> AcceptedOperation:
    resized = cast("ResizeArguments", arguments)
    return await api.upgrade_server(resized.server, resized.plan, departure=departure)


LIFECYCLE: Final = (
    Operation(
        name="delete",
        title="Delete {server}",
        synonyms=Synonyms(("rm", "remove", "destroy", "terminate"), offered=("del", "drop", "wipe", "decommission")),
        toolset="lifecycle",
        summary="Delete a server and its disk for good.",
        guidance="Delete a server for good. A human must approve.",
        risk=Risk.DESTRUCTIVE,
        arguments=ServerArguments,
        result=AcceptedOperation,
        run=_delete,
        effect="The server and its disk are gone for good, with all data on them.",
        check=check_delete,
        describe=describe_delete,
        removes=True,
        documented=False,
        outcomes=("It was deleted", "It was not deleted"),
        done="{hostname} is deleted.",
        advice="Look with vps_get whether it is there before asking again.",
        routes=(endpoints.DELETE,),
    ),
    Operation(
        name="rename",
        title="Rename {server}",
        synonyms=Synonyms(offered=("mv", "name", "hostname")),
        toolset="lifecycle",
        summary="Give a server another display name; its hostname stays.",
        guidance="Change a server's display name.",
        risk=Risk.CHANGE,
        arguments=RenameArguments,
        result=AcceptedOperation,
        run=_rename,
        effect="People see the server under its new name; the hostname stays.",
        check=check_rename,
        describe=describe_rename,
        inspect=inspect_rename,
        documented=False,
        idempotent=True,
        outcomes=("It was renamed", "It was not renamed"),
        done="{hostname} is renamed.",
        advice="Look with vps_get at its display name before asking again.",
        routes=(endpoints.UPDATE,),
    ),
    Operation(
        name="resize",
        title="Resize {server}",
        synonyms=Synonyms(offered=("upgrade", "scale", "grow", "downgrade")),
        toolset="lifecycle",
        summary="Move a server to a larger plan. It costs more from then on.",
        guidance="Move a server to a larger plan.",
        risk=Risk.DISRUPTIVE,
        arguments=ResizeArguments,
        result=AcceptedOperation,
        run=_resize,
        effect="The server may be down for some minutes, and is billed at the new price from then on.",
        check=check_resize,
        describe=describe_resize,
        inspect=inspect_resize,
        leads_to=resized,
        documented=False,
        billed=True,
        pace=Pace.LONG,
        outcomes=("It was resized", "It was not resized"),
        done="{hostname} is on its new plan.",
        advice="Look with vps_get at its plan before asking again.",
        routes=(endpoints.UPGRADE,),
    ),
)
