"""Looks at everything that App Home shows one person, and has it drawn; what cannot be read is said in its place."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio

from vpsops.bot.blocks.elements import Block
from vpsops.bot.context.bot_context import BotContext, readable_ends, request_of
from vpsops.bot.context.home_state import Viewer
from vpsops.bot.context.permalinks import links_to
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.slack_api.client import ReplyTarget
from vpsops.bot.views.home import (
    OPEN_SHOWN,
    RECENT_SHOWN,
    REVIEWS_SHOWN,
    UNCLEAR_SHOWN,
    VOTES_SHOWN,
    HomePage,
    HomeServers,
    home_view,
    plain_home,
)
from vpsops.bot.workspaces.membership import Member, MembershipUnreadableError, OtherWorkspaceError
from vpsops.core.audit.records import TrailRecord
from vpsops.core.break_glass.rights import check_reviewer
from vpsops.core.changes.approvals import check, check_settler, settlers
from vpsops.core.changes.model import Change, State
from vpsops.core.common.errors import NotAllowedError, VpsopsError
from vpsops.core.identity.actors import Actor, Approvers, is_among, union_of
from vpsops.core.service.dashboard import Onlooker, Overview

GUESTS: Final = (
    "This app is for the full members of this workspace, so there is nothing here for guests.",
    "What is posted in a channel you are in, you can read there.",
)


def asking_for(viewer: Viewer) -> Requester:
    """Return the owner of a Home as a requester; answers go to their direct messages."""
    return Requester(viewer.user, viewer.name, viewer.team, ReplyTarget(viewer.user, viewer.user), "")


async def drawn(ctx: BotContext, viewer: Viewer, notice: str = "") -> Block:
    """Look at everything a person's Home shows, and draw it; raises `StorageError`."""
    try:
        member = await ctx.membership.require_full_member(viewer.user)
    except MembershipUnreadableError as error:
        return plain_home(error.message, error.hint)
    except OtherWorkspaceError as error:
        return plain_home(error.message, error.hint)
    except NotAllowedError:
        return plain_home(*GUESTS)
    return home_view(replace(await _page(ctx, viewer, member), notice=notice))


async def _page(ctx: BotContext, viewer: Viewer, member: Member) -> HomePage:
    """Read everything a Home shows; the slow parts at the same time."""
    requester = asking_for(viewer)
    me = replace(requester.actor, name=viewer.name or member.name, aliases=(member.email,) if member.email else ())
    seen = await ctx.core.changes.overview(Onlooker(viewer.team, me, ctx.core.teams))
    results = await _slow_parts(ctx, requester, me, seen)
    waiting: WaitingChanges = results["votes"]
    return HomePage(
        now=ctx.core.clock.now(),
        votes=waiting.votes,
        votes_trouble=waiting.trouble,
        unclear=waiting.unclear,
        reviews=waiting.reviews,
        own=seen.own,
        fleet=results["fleet"],
        records=seen.records,
        ends={change.id: change for change in await _of_records(ctx, seen.records)},
        pause=seen.pause,
        grants=seen.grants,
        server_ends=results["ends"],
        may_resume=results["resume"],
        preferences=seen.preferences,
        links=await links_to(ctx, requester, _visible_changes(seen.own, waiting)),
    )


async def _slow_parts(ctx: BotContext, requester: Requester, me: Actor, seen: Overview) -> dict[str, Any]:
    """Return what takes reads of its own, by name."""
    results: dict[str, Any] = {}

    async def note(name: str, query: Awaitable[Any]) -> None:
        results[name] = await query

    async with anyio.create_task_group() as group:
        group.start_soon(note, "fleet", _fleet(ctx, requester))
        group.start_soon(note, "votes", _waiting(ctx, me, seen))
        group.start_soon(note, "resume", _may_resume(ctx, me))
        group.start_soon(note, "ends", readable_ends(ctx, requester))
    return results


async def _of_records(ctx: BotContext, records: Sequence[TrailRecord]) -> Sequence[Change]:
    ids = {record.change_id for record in records if record.change_id}
    return await ctx.core.changes.by_ids(sorted(ids), scope=ctx.core.scope) if ids else ()


@dataclass(frozen=True, slots=True)
class WaitingChanges:
    """The changes of others that wait for one person; `trouble` is the reason why they are not known."""

    votes: Sequence[Change] = ()
    unclear: Sequence[Change] = ()
    reviews: Sequence[Change] = ()
    trouble: str = ""


async def _waiting(ctx: BotContext, me: Actor, seen: Overview) -> WaitingChanges:
    votes = await _votes(ctx, me, seen.holds)
    return replace(votes, reviews=await _reviews(ctx, me, seen.reviews))


async def _votes(ctx: BotContext, me: Actor, holds: Sequence[Change]) -> WaitingChanges:
    """Return what this person may decide, by what can be read of groups and channels now, or why that is open."""
    others = await ctx.core.changes.for_settlement([hold for hold in holds if not me.same_human(hold.actor)])
    if not others:
        return WaitingChanges()
    stewards = ctx.core.stewards
    every = union_of([settler for change in others for settler in settlers(change, stewards)])
    groups = await ctx.membership.read_groups(me.id, (*every.groups, *every.channels))
    voter = replace(me, groups=groups or ())
    mine = [other for other in others if may_decide(other, voter, stewards)]
    if not mine and groups is None:
        return WaitingChanges(trouble="I cannot read who may vote just now, so your pending approvals are unknown.")
    unclear = [item for item in mine if item.state is State.NEEDS_PERSON]
    return WaitingChanges([item for item in mine if item.state is State.HELD], unclear)


async def _reviews(ctx: BotContext, me: Actor, reviews: Sequence[Change]) -> Sequence[Change]:
    """Return the open reviews that this person may close, by what can be read of groups and channels now."""
    others = await ctx.core.changes.for_review([change for change in reviews if not me.same_human(change.actor)])
    every = union_of([change.ruling.approvers for change in others])
    groups = await ctx.membership.read_groups(me.id, (*every.groups, *every.channels)) if others else ()
    reviewer = replace(me, groups=groups or ())
    return [change for change in others if may_review(change, reviewer)]


def may_review(change: Change, reviewer: Actor) -> bool:
    """Return whether a person may close the review of a run without approval."""
    try:
        check_reviewer(change, reviewer)
    except NotAllowedError:
        return False
    return True


def may_decide(change: Change, voter: Actor, stewards: Approvers) -> bool:
    """Return whether a person may vote on a held change, or settle one with an unknown outcome."""
    try:
        if change.state is State.NEEDS_PERSON:
            check_settler(change, voter, stewards)
        else:
            check(change, voter)
    except NotAllowedError:
        return False
    return True


async def _may_resume(ctx: BotContext, me: Actor) -> bool:
    stewards = ctx.core.stewards
    if not stewards:
        return True
    groups = await ctx.membership.read_groups(me.id, (*stewards.groups, *stewards.channels))
    return is_among(stewards, replace(me, groups=groups or ()))


async def _fleet(ctx: BotContext, requester: Requester) -> HomeServers:
    queries, request = ctx.core.servers, await request_of(ctx, requester, "list", {})
    if not queries.may_read(request):
        return HomeServers(trouble="The policy does not let you list the servers.")
    try:
        servers = await ctx.homes.shelf.servers(ctx.core.clock, lambda: queries.list_all(request, scope=ctx.core.scope))
    except VpsopsError as error:
        return HomeServers(trouble=f"The provider cannot be read just now: {error}")
    return HomeServers(servers, f"The provider's list is not complete: {servers.lack}." if servers.lack else "")


def _visible_changes(own: Sequence[Change], others: WaitingChanges) -> list[Change]:
    """Return the changes with linked cards."""
    waiting = [item for item in own if item.state.open][:OPEN_SHOWN]
    ended = [item for item in own if not item.state.open][:RECENT_SHOWN]
    return [
        *others.votes[:VOTES_SHOWN],
        *others.unclear[:UNCLEAR_SHOWN],
        *others.reviews[:REVIEWS_SHOWN],
        *waiting,
        *ended,
    ]
