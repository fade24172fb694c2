"""App Home: drawn when somebody opens it, after what they do there, and when what it shows has changed.

Publishing names the hash of what was there. A conflict means that another process published meanwhile,
from a state that may be newer: then the state is looked at once more, and that is shown.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio
import structlog

from bot.blocks.build import Block
from bot.blocks.home import (
    OPEN_SHOWN,
    RECENT_SHOWN,
    SETTINGS,
    UNCLEAR_SHOWN,
    VOTES_SHOWN,
    Fleet,
    Page,
    home_view,
    plain_home,
    worth,
)
from bot.homes import Home, Viewer
from bot.identity import Unreadable
from bot.links import links_to
from bot.parts import Asking, Parts, request_of
from bot.slack import SlackError, Where
from bot.wire import Event
from bot.workspaces import NotInstalled
from core.changes.model import Actor, Approvers, Change, State
from core.changes.voting import among, check, check_settler, settlers, together
from core.errors import InvalidInput, NotAllowed, StorageError, VpsopsError
from core.inbox import Delivery
from core.news import follow
from core.overview import Onlooker, overview_of
from core.preferences import set_preferences
from core.reads import all_servers, may_read

OPENED: Final = "app_home_opened"
FLEET_SECONDS: Final = 5.0
SETTLE_SECONDS: Final = 1.0
"""What happens in one burst is one reason to draw."""
PAUSE_SECONDS: Final = 2.0
EACH_SECONDS: Final = 0.7
LOOK_SECONDS: Final = 60.0
GUESTS: Final = (
    "This app is for the full members of this workspace, so there is nothing here for guests.",
    "What is posted in a channel you are in, you can read there.",
)
CONFLICT: Final = "hash_conflict"

log = structlog.get_logger(__name__)
Act = Callable[[], Awaitable[None]]


async def on_event(parts: Parts, delivery: Delivery) -> None:
    """Show their Home to whoever opened it."""
    happened = Event.model_validate(delivery.payload)
    viewer = _viewer(happened)
    if viewer is None:
        return
    home = parts.homes.opened(viewer, parts.core.clock.monotonic())
    known = happened.event.get("view")
    home.hash = str(known.get("hash", "")) if isinstance(known, dict) else ""
    home.drawn = []
    if not home.hash:
        await _put(parts, home, plain_home("Reading what there is for you …"))
    await publish(parts, viewer)


def _viewer(happened: Event) -> Viewer | None:
    event = happened.event
    if event.get("type") != OPENED or event.get("tab", "home") != "home" or not isinstance(event.get("user"), str):
        return None
    return Viewer(event["user"], happened.team_id)


def asking_of(happened: Event, key: str) -> Asking:
    """Return who opened their Home; answers go to their direct messages."""
    return replace(_asking(Viewer(str(happened.event.get("user", "")), happened.team_id)), key=key)


def _asking(viewer: Viewer) -> Asking:
    return Asking(viewer.user, viewer.name, viewer.team, Where(viewer.user, viewer.user), "")


async def at_home(parts: Parts, asking: Asking, act: Act) -> None:
    """Do what a control on Home says, then show what is so now; what went wrong stands at the top."""
    notice = ""
    try:
        if asking.stranger:
            raise NotAllowed("Only members of this workspace can use me, not guests from another.")
        await act()
    except StorageError:
        raise
    except VpsopsError as error:
        log.info("refused", error=error.message, error_id=error.error_id)
        notice = f"{error} ({error.error_id})"
    viewer = Viewer(asking.user, asking.team, asking.name)
    parts.homes.opened(viewer, parts.core.clock.monotonic())
    await publish(parts, viewer, notice, anyway=True)


async def set_one(parts: Parts, asking: Asking, value: Mapping[str, Any]) -> None:
    """Turn one setting on or off; raises `InvalidInput` for one there is none of."""
    name, wanted = str(value.get("set", "")), value.get("to")
    if name not in SETTINGS or not isinstance(wanted, bool):
        raise InvalidInput("There is no such setting any more.", hint="Nothing was set.")
    await set_preferences(parts.core.database, parts.core.clock, (asking.team, asking.user), **{name: wanted})


async def keep_current(parts: Parts) -> None:
    """Draw the Homes that are open anew when something happened, by whatever process; a few at a time."""
    while True:
        await parts.homes.somebody()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(follow, parts.core.database, parts.core.clock, parts.homes.told, anyio.Event())
                await _rounds(parts)
                group.cancel_scope.cancel()
        except Exception:  # what breaks here must not end the bot
            log.exception("Homes are not kept current for a while")
            await parts.core.clock.sleep(LOOK_SECONDS)


async def _rounds(parts: Parts) -> None:
    clock = parts.core.clock
    while homes := parts.homes.current(clock.monotonic()):
        if not await parts.homes.news(LOOK_SECONDS):
            continue
        await clock.sleep(SETTLE_SECONDS)
        for home in homes:
            try:
                await publish(await parts.at(home.viewer.team), home.viewer)
            except NotInstalled as error:
                log.info("Home not drawn", error=error.message)
            except StorageError as error:
                log.error("Home not drawn", error=error.message, error_id=error.error_id)
            except Exception:  # one Home that cannot be drawn is no reason to leave the others as they are
                log.exception("Home not drawn", user=home.viewer.user)
        await clock.sleep(max(PAUSE_SECONDS, EACH_SECONDS * len(homes)))


async def publish(parts: Parts, viewer: Viewer, notice: str = "", *, anyway: bool = False) -> None:
    """Show somebody what is so now; where that stands there already, nothing is sent unless `anyway`."""
    home = parts.homes.opened_by(viewer)
    async with home.lock:
        view = await drawn(parts, viewer, notice)
        if not anyway and worth(view) == home.drawn:
            return
        if not await _put(parts, home, view):
            home.hash = ""
            await _put(parts, home, await drawn(parts, viewer, notice))


async def _put(parts: Parts, home: Home, view: Block) -> bool:
    """Publish; say False where another process published meanwhile."""
    try:
        shown = await parts.slack.publish_view(home.viewer.user, view, home.hash)
    except SlackError as error:
        log.info("Home not published", error=str(error))
        return error.code != CONFLICT
    home.hash, home.drawn = shown.hash, worth(view)
    return True


async def drawn(parts: Parts, viewer: Viewer, notice: str = "") -> Block:
    """Look at everything a person's Home shows, and draw it; raises `StorageError`."""
    try:
        member = await parts.membership.full_member(viewer.user)
    except Unreadable as error:
        return plain_home(error.message, error.hint)
    except NotAllowed:
        return plain_home(*GUESTS)
    asking = _asking(viewer)
    me = replace(asking.actor, name=viewer.name or member.name, aliases=(member.email,) if member.email else ())
    who = Onlooker(viewer.team, me, parts.core.gate.teams)
    seen = await overview_of(parts.core.database, who, parts.core.clock.now())
    found: dict[str, Any] = {}

    async def note(name: str, look: Awaitable[Any]) -> None:
        found[name] = await look

    async with anyio.create_task_group() as group:
        group.start_soon(note, "fleet", _fleet(parts, asking))
        group.start_soon(note, "votes", _votes(parts, me, seen.holds))
        group.start_soon(note, "resume", _may_resume(parts, me))
    waiting: Waiting = found["votes"]
    page = Page(
        now=parts.core.clock.now(),
        votes=waiting.votes,
        votes_trouble=waiting.trouble,
        unclear=waiting.unclear,
        own=seen.own,
        fleet=found["fleet"],
        records=seen.records,
        pause=seen.pause,
        may_resume=found["resume"],
        preferences=seen.preferences,
        links=await links_to(parts, asking, _shown(seen.own, waiting)),
        notice=notice,
    )
    return home_view(page)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for one person, of what others asked for; `trouble` says why that cannot be told."""

    votes: Sequence[Change] = ()
    unclear: Sequence[Change] = ()
    trouble: str = ""


async def _votes(parts: Parts, me: Actor, holds: Sequence[Change]) -> Waiting:
    """Return what this person may decide, by what can be read of groups and channels now, or why that is open."""
    others = [one for one in holds if not me.same_human(one.actor)]
    if not others:
        return Waiting()
    stewards = parts.core.gate.stewards
    every = together([one for change in others for one in settlers(change, stewards)])
    groups = await parts.membership.groups(me.id, (*every.groups, *every.channels))
    voter = replace(me, groups=groups or ())
    mine = [one for one in others if may_decide(one, voter, stewards)]
    if not mine and groups is None:
        return Waiting(trouble="I cannot read who may vote just now, so what waits for you cannot be told.")
    unclear = [one for one in mine if one.state is State.NEEDS_PERSON]
    return Waiting([one for one in mine if one.state is State.HELD], unclear)


def may_decide(change: Change, voter: Actor, stewards: Approvers) -> bool:
    """Say whether somebody may vote on a hold, or say what became of a change that nobody can tell the end of; pure."""
    try:
        if change.state is State.NEEDS_PERSON:
            check_settler(change, voter, stewards)
        else:
            check(change, voter)
    except NotAllowed:
        return False
    return True


async def _may_resume(parts: Parts, me: Actor) -> bool:
    stewards = parts.core.gate.stewards
    if not stewards:
        return True
    groups = await parts.membership.groups(me.id, (*stewards.groups, *stewards.channels))
    return among(stewards, replace(me, groups=groups or ()))


async def _fleet(parts: Parts, asking: Asking) -> Fleet:
    gate, request = parts.core.gate, await request_of(parts, asking, "list", {})
    if not may_read(gate, request):
        return Fleet(trouble="The policy does not let you list the servers.")
    try:
        with anyio.fail_after(FLEET_SECONDS):
            servers = await parts.homes.shelf.servers(parts.core.clock, lambda: all_servers(gate, request))
    except TimeoutError:
        return Fleet(trouble="The provider is slow to answer just now. Refresh in a moment.")
    except VpsopsError as error:
        return Fleet(trouble=f"The provider cannot be read just now: {error}")
    return Fleet(servers, "" if servers.complete else "The provider's list is not complete, so some may be missing.")


def _shown(own: Sequence[Change], others: Waiting) -> list[Change]:
    """Return the changes whose cards are linked to."""
    waiting = [one for one in own if one.state.open][:OPEN_SHOWN]
    ended = [one for one in own if not one.state.open][:RECENT_SHOWN]
    return [*others.votes[:VOTES_SHOWN], *others.unclear[:UNCLEAR_SHOWN], *waiting, *ended]
