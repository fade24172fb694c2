"""What the handlers work with, and how a person in Slack asks the gate for something."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import anyio
from cachetools import LRUCache

from vpsops.bot.context.home_state import Homes
from vpsops.bot.ingress.ack_scheduler import AckScheduler
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.notifications.outbox_worker import OutboxWorker
from vpsops.bot.slack_api.client import SlackClient
from vpsops.bot.views.modals import OrderOptions
from vpsops.bot.workspaces.membership import Membership
from vpsops.bot.workspaces.registry import WorkspaceSessions
from vpsops.core.app import Core
from vpsops.core.changes.requests import Done, Outcome, Refused, Request
from vpsops.core.common.errors import NotAllowedError, VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.core.ends.model import ServerEnd
from vpsops.core.identity.actors import Actor
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.catalogue import OsTemplates, Plans, Regions

CATALOGUE_SECONDS: Final = 60.0
HINTED_KEPT: Final = 1000
CATALOGUE_OPERATIONS: Final = ("plans", "os_templates", "regions")


@dataclass(slots=True)
class CatalogueCache:
    """The catalogue as last read, and when."""

    catalogue: OrderOptions = field(default_factory=OrderOptions)
    read_at: float | None = None
    lock: anyio.Lock = field(default_factory=anyio.Lock)


@dataclass(frozen=True, slots=True)
class BotContext:
    """One bot's working ctx."""

    core: Core
    slack: SlackClient
    membership: Membership
    outbox_worker: OutboxWorker
    ack_scheduler: AckScheduler
    sessions: WorkspaceSessions
    shelf: CatalogueCache = field(default_factory=CatalogueCache)
    homes: Homes = field(default_factory=Homes)
    hinted: LRUCache[tuple[str, str], float] = field(default_factory=lambda: LRUCache(HINTED_KEPT))
    """When each person, by workspace, last got a hint in answer to a message that is no command."""

    async def at(self, team: str) -> "BotContext":
        """Return the ctx as they are for one workspace; raises `NotInstalledError`, `StorageError`."""
        office = await self.sessions.of(team)
        return replace(self, core=office.core, slack=office.slack, membership=office.membership)


async def known_actor(ctx: BotContext, requester: Requester, *, fresh: bool = False) -> Actor:
    """Return the person with their groups and e-mail address, where a rule is about such; no call otherwise.

    They are read `fresh` where something is to be altered. The workspace counts as a group of all its members, so that
    "in none of them" is not "not known".
    """
    policy = ctx.core.policy
    email = await ctx.membership.read_email(requester.user, fresh=fresh) if policy.by_email else ""
    actor = replace(requester.actor, aliases=(email,)) if email else requester.actor
    groups = await ctx.membership.read_groups(requester.user, policy.groups, fresh=fresh) if policy.groups else None
    return actor if groups is None else replace(actor, groups=(requester.team, *groups))


async def only_members(ctx: BotContext, requester: Requester) -> None:
    """Raise `NotAllowedError` for all but active full members of this workspace, and where that cannot be read."""
    await ctx.membership.require_full_member(requester.user)


async def request_of(ctx: BotContext, requester: Requester, operation: str, arguments: Mapping[str, Json]) -> Request:
    """Return what a person asks the gate for; raises `NotAllowedError` for guests, where something is to be altered."""
    known = OPERATIONS.get(operation)
    alters = known is None or not known.reads  # a runbook is no operation of the registry
    if alters:
        await only_members(ctx, requester)
    return Request(
        operation=operation,
        arguments=arguments,
        actor=await known_actor(ctx, requester, fresh=alters),
        origin=requester.origin,
        key=requester.key,
        can_confirm=True,
    )


async def readable_ends(ctx: BotContext, requester: Requester) -> Sequence[ServerEnd]:
    """Return the ends of the servers that a person may read, the next one first."""
    request = await request_of(ctx, requester, "get", {})
    ends = await ctx.core.ends.list_open(scope=ctx.core.scope)
    return await ctx.core.servers.readable_ends(request, ends, scope=ctx.core.scope)


async def submit(ctx: BotContext, requester: Requester, operation: str, arguments: Mapping[str, Json]) -> Outcome:
    """Ask the gate, for a person; raises what the gate raises."""
    request = await request_of(ctx, requester, operation, arguments)
    outcome = await ctx.core.gate.submit(request, scope=ctx.core.scope)
    if isinstance(outcome, Done) and outcome.change is None:
        await ctx.ack_scheduler.slot()  # a read that many shared goes on in all of them at once
    return outcome


async def read(
    ctx: BotContext, requester: Requester, operation: str, arguments: Mapping[str, Json] | None = None
) -> Any:
    """Run a read and return its result; a refusal is raised as `NotAllowedError`."""
    outcome = await submit(ctx, requester, operation, arguments or {})
    if isinstance(outcome, Refused):
        raise NotAllowedError(outcome.reason, hint=outcome.hint)
    if not isinstance(outcome, Done) or outcome.result is None:
        raise VpsopsError(f"{operation} gave no result.", hint="Ask again.")
    return outcome.result


async def catalogue(ctx: BotContext, requester: Requester) -> OrderOptions:
    """Return what can be ordered, at most a minute old; raises `NotAllowedError` for who may not read all of it."""
    request, shelf, clock = await request_of(ctx, requester, CATALOGUE_OPERATIONS[0], {}), ctx.shelf, ctx.core.clock
    if not all(ctx.core.servers.may_read(replace(request, operation=operation)) for operation in CATALOGUE_OPERATIONS):
        raise NotAllowedError("The policy does not let you see what can be ordered.")
    async with shelf.lock:  # three menus that ask at once cause one read
        if shelf.read_at is None or clock.monotonic() - shelf.read_at > CATALOGUE_SECONDS:
            shelf.catalogue = await _read_catalogue(ctx, requester)
            shelf.read_at = clock.monotonic()
        return shelf.catalogue


async def _read_catalogue(ctx: BotContext, requester: Requester) -> OrderOptions:
    results: dict[str, Any] = {}
    failed: list[VpsopsError] = []

    async def load(operation: str) -> None:
        try:
            results[operation] = await read(ctx, requester, operation)
        except VpsopsError as error:
            failed.append(error)

    async with anyio.create_task_group() as group:
        for operation in CATALOGUE_OPERATIONS:
            group.start_soon(load, operation)
    if failed:
        raise failed[0]
    plans: Plans = results["plans"]
    systems: OsTemplates = results["os_templates"]
    regions: Regions = results["regions"]
    return OrderOptions(tuple(plans.plans), tuple(systems.os_templates), tuple(regions.regions))
