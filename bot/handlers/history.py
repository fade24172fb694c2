"""Private answers that are drawn from what is stored: the changes, the trail, the report; paged and shared by name."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from vpsops.bot.blocks.elements import Post, shared_copy
from vpsops.bot.blocks.text import user_mention
from vpsops.bot.commands.parser import ShowCard
from vpsops.bot.context.bot_context import BotContext, readable_ends
from vpsops.bot.context.permalinks import links_to
from vpsops.bot.features.operations import patiently
from vpsops.bot.features.report import report
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.messages.lists import (
    PageLinks,
    PageQuery,
    audit_page,
    audit_page_for_everyone,
    card_page,
    changes_page,
    reviews_page,
    with_unreadable,
)
from vpsops.bot.views.end_blocks import with_coming_ends
from vpsops.core.audit.queries import RecordFilter
from vpsops.core.changes.model import Change
from vpsops.core.changes.scope import ChangePosition, ChangeQuery, position_from
from vpsops.core.common.errors import InvalidInputError, VpsopsError
from vpsops.core.common.text import one_line

PAGE: Final = 10
RECORDS: Final = 20
"""Of the trail; most changes have several, and one row."""
LONGEST: Final = 253
MOST_SCHEDULED: Final = 20
SCOPES: Final = {"": "The newest changes", "open": "Open changes", "mine": "Your changes and your agents'"}
SCHEDULED: Final = "scheduled"


@dataclass(frozen=True, slots=True)
class Showing:
    """How an answer is shown: over the message clicked on, or to the whole channel."""

    replace: bool = False
    everyone: bool = False


async def show(ctx: BotContext, requester: Requester, viewed: PageQuery, showing: Showing) -> None:
    """Draw an answer and post it. Propagates the errors of its read."""
    draw = VIEWS.get(viewed.name)
    if draw is None:
        raise VpsopsError("This control is from another version of me.", hint="Type the command again.")
    post = await patiently(ctx, requester, partial(draw, ctx, requester, viewed.arguments, showing.everyone))
    if post is not None and showing.everyone:
        post = shared_copy(post, user_mention(requester.user, requester.name))
    if post is not None:
        await ctx.slack.reply(requester.where, post, replace=showing.replace, everyone=showing.everyone)


def viewed_of(value: Mapping[str, Any]) -> PageQuery | None:
    """Read what a button of ours shows; None for a button of another kind."""
    name, arguments = value.get("v"), value.get("a")
    return PageQuery(name, arguments) if isinstance(name, str) and isinstance(arguments, dict) else None


async def _changes(ctx: BotContext, requester: Requester, arguments: Mapping[str, Any], everyone: bool) -> Post:
    scope, server, before = (_word(arguments, name) for name in ("scope", "server", "before"))
    if scope == SCHEDULED:
        return await _scheduled(ctx, requester, everyone=everyone)
    person = requester.user if scope == "mine" else ""
    query = ChangeQuery(open_only=scope == "open", person=person, server=server, after=_position(before), limit=PAGE)
    page = await ctx.core.changes.page(query, scope=ctx.core.scope)
    title = f"Changes of {one_line(server, 100)}" if server else SCOPES.get(scope, SCOPES[""])
    asked = {name: value for name, value in (("scope", scope), ("server", server)) if value}
    turns = PageLinks(
        PageQuery("changes", asked | ({"before": before} if before else {})),
        PageQuery("changes", asked) if before else None,
        PageQuery("changes", asked | {"before": page.next.cursor}) if page.next else None,
    )
    post = changes_page(title, page.changes, await links_to(ctx, requester, page.changes), turns, everyone=everyone)
    return with_unreadable(post, [row.id for row in page.unreadable])


async def _scheduled(ctx: BotContext, requester: Requester, *, everyone: bool) -> Post:
    changes = (await ctx.core.changes.scheduled(scope=ctx.core.scope))[:MOST_SCHEDULED]
    here = PageLinks(PageQuery("changes", {"scope": SCHEDULED}))
    links = await links_to(ctx, requester, changes)
    ends = await readable_ends(ctx, requester)
    post = changes_page("Scheduled changes", changes, links, here, everyone=everyone)
    return with_coming_ends(post, ends)


def _position(cursor: str) -> ChangePosition | None:
    """Return where a page begins: the first one for a button of a version that stored other positions."""
    try:
        return position_from(cursor)
    except InvalidInputError:
        return None


async def _audit(ctx: BotContext, requester: Requester, arguments: Mapping[str, Any], everyone: bool) -> Post:
    await ctx.membership.require_full_member(requester.user)
    asked = {name: word for name in ("server", "person", "change") if (word := _word(arguments, name))}
    before = _number(arguments, "before")
    listing = await ctx.core.trail.page(RecordFilter(**asked, teams=ctx.core.teams), before=before, limit=RECORDS)
    turns = PageLinks(
        PageQuery("audit", asked | ({"before": before} if before else {})),
        PageQuery("audit", asked) if before else None,
        PageQuery("audit", asked | {"before": listing.before}) if listing.before else None,
    )
    title = "The audit trail" + "".join(f", {name} {one_line(word, 80)}" for name, word in asked.items())
    changes = await _of_records(ctx, {record.change_id for record in listing.records if record.change_id})
    links = await links_to(ctx, requester, changes)
    ends = {} if "change" in asked else {change.id: change for change in changes}
    return (audit_page_for_everyone if everyone else audit_page)(title, listing.records, links, turns, ends)


async def _of_records(ctx: BotContext, ids: set[str]) -> Sequence[Change]:
    return await ctx.core.changes.by_ids(sorted(ids), scope=ctx.core.scope)


async def _reviews(ctx: BotContext, requester: Requester, _arguments: Mapping[str, Any], everyone: bool) -> Post:
    changes = await ctx.core.changes.open_reviews(scope=ctx.core.scope)
    return reviews_page(changes, await links_to(ctx, requester, changes), everyone=everyone)


async def _report(ctx: BotContext, requester: Requester, arguments: Mapping[str, Any], everyone: bool) -> Post:
    return await report(ctx, requester, everyone=everyone, label=_word(arguments, "label"))


async def card_post(ctx: BotContext, requester: Requester, command: ShowCard) -> Post:
    """Say where one change's card is. A verdict is never taken from text: it is given on what the card shows."""
    change = await ctx.core.changes.get(command.change, scope=ctx.core.scope)
    return card_page(change, await links_to(ctx, requester, [change]), command.verdict)


def _word(arguments: Mapping[str, Any], name: str) -> str:
    return str(arguments.get(name) or "")[:LONGEST]


def _number(arguments: Mapping[str, Any], name: str) -> int | None:
    value = arguments.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


Draw = Callable[[BotContext, Requester, Mapping[str, Any], bool], Awaitable[Post]]
VIEWS: Final[Mapping[str, Draw]] = {"changes": _changes, "audit": _audit, "report": _report, "reviews": _reviews}
