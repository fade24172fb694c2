"""The status report in Slack: read by the core, with links to the cards of its changes."""

from vpsops.bot.blocks.elements import Post
from vpsops.bot.context.bot_context import BotContext, request_of
from vpsops.bot.context.permalinks import links_to
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.messages.report import report_page
from vpsops.core.reports.status_report import SHOWN, CostQuery


async def report(ctx: BotContext, requester: Requester, *, everyone: bool, label: str = "") -> Post:
    """Read and draw the report. Costs are not shown in a channel; elsewhere they are added up by label or owner."""
    request = await request_of(ctx, requester, "list", {})
    costs = CostQuery(label, ctx.core.settings.owner_label, priced=not everyone)
    standing = await ctx.core.reports.status(request, costs, scope=ctx.core.scope)
    visible = [*standing.going_on[:SHOWN], *standing.ended]
    return report_page(standing, await links_to(ctx, requester, visible), everyone=everyone)
