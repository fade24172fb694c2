"""What a person is offered to do with a server: by its state, the policy in force and their rights."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vpsops.bot.context.bot_context import BotContext, request_of
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.protocol.command_catalog import has_form
from vpsops.core.changes.preview import target_of
from vpsops.core.common.errors import Remedy
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.models import Server


async def offered_operations(
    ctx: BotContext, requester: Requester, servers: Sequence[Server]
) -> Mapping[str, Sequence[str]]:
    """Return which operations fit a server's state and are not refused to this person, by the server's id."""
    request = await request_of(ctx, requester, "list", {})
    await ctx.core.offers.refresh()

    def allowed(server: Server, name: str) -> bool:
        target = target_of(server)
        offered = ctx.core.offers.is_offered_at(OPERATIONS[name], target)
        return offered and ctx.core.servers.may_request(replace(request, operation=name), target)

    return {server.id: [name for name in fitting(server) if allowed(server, name)] for server in servers}


def fitting(server: Server) -> list[str]:
    """Return the operations on one server that make sense in its state, as far as it is known."""
    return [name for name, operation in OPERATIONS.items() if _can_be_asked(operation) and operation.fits(server)]


def _can_be_asked(operation: Operation) -> bool:
    """Return whether a server is all that an operation needs, or a form asks for the rest."""
    return operation.takes_only_server or has_form(operation)


async def may_ask_for(ctx: BotContext, requester: Requester, remedy: Remedy) -> bool:
    """Return whether the policy would not deny a remedy to this person outright."""
    if remedy.operation not in OPERATIONS:
        return False
    request = await request_of(ctx, requester, "list", {})
    target = Target(str(remedy.arguments.get("server", "")), remedy.hostname)
    return ctx.core.servers.may_request(replace(request, operation=remedy.operation), target)
