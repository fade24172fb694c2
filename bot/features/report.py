"""The report: how everything stands now, read from the provider and from what is stored."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from vpsops.bot.blocks.elements import Post
from vpsops.bot.context.bot_context import BotContext, catalogue, request_of
from vpsops.bot.context.permalinks import links_to
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.messages.report import FleetCounts, MonthlyCosts, StatusReport, report_page
from vpsops.core.changes.queries import MAX_CHANGES, ChangeQuery
from vpsops.core.common.errors import VpsopsError
from vpsops.core.operations.prices import monthly, sums_of
from vpsops.core.wayscloud.answers.models import Plan, Server

LATELY: Final = timedelta(hours=24)
SHOWN: Final = 8
READ_IN_FULL: Final = 40


async def report(ctx: BotContext, requester: Requester, *, everyone: bool) -> Post:
    """Read and draw the report; what cannot be read is said in its place. Costs are not shown in a channel."""
    now = ctx.core.clock.now()
    changes, recent = ctx.core.changes, ChangeQuery(since=now - LATELY, limit=MAX_CHANGES)
    going_on = (await changes.page(ChangeQuery(open_only=True, limit=MAX_CHANGES), scope=ctx.core.scope)).changes
    counted = await changes.count_by_state(recent, scope=ctx.core.scope)
    moved = (await changes.page(recent, scope=ctx.core.scope)).changes
    ended = [item for item in moved if item.state.final][:SHOWN]
    standing = StatusReport(
        at=now,
        fleet=await _fleet(ctx, requester, priced=not everyone),
        pause=await changes.agents_paused(),
        going_on=going_on,
        crowded=len(going_on) == MAX_CHANGES,
        ended=tuple(ended),
        counted={state: count for state, count in counted.items() if state.final},
    )
    visible = [*going_on[:SHOWN], *ended]
    return report_page(standing, await links_to(ctx, requester, visible), everyone=everyone)


async def _fleet(ctx: BotContext, requester: Requester, *, priced: bool) -> FleetCounts:
    try:
        servers = await ctx.core.servers.list_all(await request_of(ctx, requester, "list", {}), scope=ctx.core.scope)
    except VpsopsError as error:
        return FleetCounts(problem=f"{error.message} ({error.error_id})")
    known = await _with_details(ctx, requester, servers)
    costs = costs_of(known, await _plans(ctx, requester, known)) if priced else None
    return FleetCounts(Counter(item.state for item in known), costs, lack=servers.lack)


async def _with_details(ctx: BotContext, requester: Requester, servers: Sequence[Server]) -> Sequence[Server]:
    """Return servers with what the list leaves out of them, of some at most: their price, and whether they run."""
    try:
        request = await request_of(ctx, requester, "get", {})
        return await ctx.core.servers.in_full(request, servers, READ_IN_FULL, _is_bare, scope=ctx.core.scope)
    except VpsopsError:
        return servers


def _is_bare(server: Server) -> bool:
    return server.power_unknown or (server.monthly_price is None and not server.plan)


async def _plans(ctx: BotContext, requester: Requester, servers: Sequence[Server]) -> Sequence[Plan]:
    """Plans are asked for only where a server's own price is missing; without them that price is unknown."""
    if all(server.monthly_price is not None or not server.plan for server in servers):
        return ()
    try:
        return (await catalogue(ctx, requester)).plans
    except VpsopsError:
        return ()


def costs_of(servers: Sequence[Server], plans: Sequence[Plan]) -> MonthlyCosts:
    """Add up what a month costs, by currency, and count the servers without a known price."""
    by_code: Mapping[str, Plan] = {plan.code.lower(): plan for plan in plans}
    prices = [monthly(server, by_code.get((server.plan or "").lower())) for server in servers]
    known = [price for price in prices if price is not None]
    return MonthlyCosts(sums_of(known), len(prices) - len(known), sum(not price.currency for price in known))
