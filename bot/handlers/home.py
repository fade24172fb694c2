"""App Home: drawn when a user opens it, after what they do there, and when what it shows has changed.

Publishing names the hash of what was there. A conflict means that another process published meanwhile,
from a state that may be newer: then the state is read once more and shown.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import anyio
import structlog

from vpsops.bot.blocks.elements import Block
from vpsops.bot.context.bot_context import BotContext
from vpsops.bot.context.home_state import Home, Viewer
from vpsops.bot.features.home_query import asking_for, drawn
from vpsops.bot.ingress.interaction import Interaction, Requester
from vpsops.bot.protocol.payloads import EventCallback
from vpsops.bot.slack_api.client import SlackError
from vpsops.bot.views.home import SETTINGS, comparable_blocks, plain_home
from vpsops.bot.workspaces.registry import NotInstalledError
from vpsops.core.common.errors import InvalidInputError, StorageError, VpsopsError

OPENED: Final = "app_home_opened"
SETTLE_SECONDS: Final = 1.0
"""What happens in one burst is one reason to draw."""
PAUSE_SECONDS: Final = 2.0
EACH_SECONDS: Final = 0.7
LOOK_SECONDS: Final = 60.0
AT_ONCE: Final = 4
CONFLICT: Final = "hash_conflict"

logger = structlog.get_logger(__name__)
Act = Callable[[], Awaitable[None]]


async def handle_event(ctx: BotContext, opened: Interaction[EventCallback]) -> None:
    """Show their Home to the user who opened it."""
    event = opened.payload.event
    is_home = event.get("type") == OPENED and event.get("tab", "home") == "home"
    if not is_home or not isinstance(event.get("user"), str):
        return
    viewer = Viewer(event["user"], opened.requester.team)
    home = ctx.homes.opened(viewer, ctx.core.clock.monotonic())
    known = event.get("view")
    home.hash = str(known.get("hash", "")) if isinstance(known, dict) else ""
    home.drawn = []
    if not home.hash:
        await _put(ctx, home, plain_home("Reading what there is for you …"))
    await publish(ctx, viewer)


def requester_from(payload: EventCallback, key: str) -> Requester:
    """Return who opened their Home; answers go to their direct messages."""
    return replace(asking_for(Viewer(str(payload.event.get("user", "")), payload.team_id)), key=key)


async def at_home(ctx: BotContext, requester: Requester, act: Act) -> None:
    """Do what a control on Home names, then publish the current view, with what went wrong at the top."""
    notice = ""
    try:
        await act()
    except StorageError:
        raise
    except VpsopsError as error:
        logger.info("interaction_refused", error=error.message, error_id=error.error_id)
        notice = f"{error} ({error.error_id})"
    viewer = Viewer(requester.user, requester.team, requester.name)
    ctx.homes.opened(viewer, ctx.core.clock.monotonic())
    await publish(ctx, viewer, notice, anyway=True)


async def set_one(ctx: BotContext, requester: Requester, value: Mapping[str, Any]) -> None:
    """Turn one setting on or off; raises `InvalidInputError` for one there is none of."""
    name, enabled = str(value.get("set", "")), value.get("to")
    if name not in SETTINGS or not isinstance(enabled, bool):
        raise InvalidInputError("There is no such setting any more.", hint="Nothing was set.")
    await ctx.core.preferences.set((requester.team, requester.user), **{name: enabled})


async def keep_current(ctx: BotContext) -> None:
    """Redraw the open Homes when something happened in any process; a few at a time."""
    while True:
        await ctx.homes.any_opened()
        async with anyio.create_task_group() as group:
            news = partial(ctx.core.trail.follow, ctx.homes.record, anyio.Event())
            ctx.core.supervisor.start("home_news", news, group=group)
            await _rounds(ctx)
            group.cancel_scope.cancel()


async def _rounds(ctx: BotContext) -> None:
    clock = ctx.core.clock
    while homes := ctx.homes.current(clock.monotonic()):
        if not await ctx.homes.news(LOOK_SECONDS):
            continue
        await clock.sleep(SETTLE_SECONDS)
        room = anyio.CapacityLimiter(AT_ONCE)
        async with anyio.create_task_group() as group:
            for home in homes:
                group.start_soon(_draw_anew, ctx, home.viewer, room)
        await clock.sleep(max(PAUSE_SECONDS, EACH_SECONDS * len(homes)))


async def _draw_anew(ctx: BotContext, viewer: Viewer, room: anyio.CapacityLimiter) -> None:
    """Draw one open Home; one that cannot be drawn, or only slowly, is no reason to leave the others as they are."""
    async with room:
        try:
            await publish(await ctx.at(viewer.team), viewer)
        except NotInstalledError as error:
            logger.info("home_not_drawn", error=error.message)
        except StorageError as error:
            logger.error("home_not_drawn", error=error.message, error_id=error.error_id)
        except Exception:
            logger.exception("home_not_drawn", user=viewer.user)


async def publish(ctx: BotContext, viewer: Viewer, notice: str = "", *, anyway: bool = False) -> None:
    """Publish the current Home view; skip if unchanged unless `anyway`."""
    home = ctx.homes.opened_by(viewer)
    async with home.lock:
        view = await drawn(ctx, viewer, notice)
        if not anyway and comparable_blocks(view) == home.drawn:
            return
        if not await _put(ctx, home, view):
            home.hash = ""
            await _put(ctx, home, await drawn(ctx, viewer, notice))


async def _put(ctx: BotContext, home: Home, view: Block) -> bool:
    """Publish; say False where another process published meanwhile."""
    try:
        published = await ctx.slack.publish_view(home.viewer.user, view, home.hash)
    except SlackError as error:
        logger.info("home_not_published", error=str(error))
        return error.code != CONFLICT
    home.hash, home.drawn = published.hash, comparable_blocks(view)
    return True
