"""What a click does, once it is stored and acknowledged."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from bot import names
from bot.answers import run, wanted_of
from bot.blocks.build import unpack
from bot.blocks.cards import Audience
from bot.blocks.notes import note
from bot.forms import open_deny, redraw_create
from bot.parts import Asking, Parts
from bot.slack import Where
from bot.votes import cast, settle, withdraw
from bot.wire import Click
from core.changes.model import Change, State, Verdict
from core.changes.outbox import topic_of
from core.errors import NotAllowed, StaleChange
from core.inbox import Delivery

Act = Callable[[Parts, Asking, Click, Mapping[str, Any]], Awaitable[None]]
CHANGE_ID: Final = 80


async def on_click(parts: Parts, delivery: Delivery) -> None:
    """Do what the control says, for whoever used it."""
    click = Click.model_validate(delivery.payload)
    asking = asking_of(click, delivery.key)
    kind = names.kind_of(click.actions[0].action_id)
    act = ACTS.get(kind)
    if act is not None:
        await act(parts, asking, click, unpack(click.actions[0].given))
    elif click.view is None:
        await parts.slack.tell(asking.where, note("This control is from an older version of me. Nothing was done."))


def asking_of(click: Click, key: str) -> Asking:
    """Return who clicked, and where."""
    channel = (click.channel.id if click.channel else "") or click.container.channel_id
    team = click.team.id if click.team else click.user.team_id
    where = Where(click.user.id, channel, click.response_url)
    name = click.user.username or click.user.name
    return Asking(click.user.id, name, team, where, key, click.container.thread_ts, click.user.team_id)


async def _confirm(parts: Parts, asking: Asking, click: Click, value: Mapping[str, Any]) -> None:
    async def decide(change: str, digest: str) -> None:
        await parts.core.gate.confirm(change, asking.actor, digest)

    await _on_card(parts, asking, click, value, decide)


async def _cancel(parts: Parts, asking: Asking, click: Click, value: Mapping[str, Any]) -> None:
    async def decide(change: str, _digest: str) -> None:
        await withdraw(parts, asking, await parts.core.gate.get(change))

    await _on_card(parts, asking, click, value, decide)


async def _approve(parts: Parts, asking: Asking, click: Click, value: Mapping[str, Any]) -> None:
    async def decide(change: str, digest: str) -> None:
        await cast(parts, asking, await parts.core.gate.get(change), Verdict.APPROVE, digest)

    await _on_card(parts, asking, click, value, decide)


async def _deny(parts: Parts, asking: Asking, click: Click, value: Mapping[str, Any]) -> None:
    async def decide(change: str, digest: str) -> None:
        await open_deny(parts, asking, click.trigger_id, await parts.core.gate.get(change), digest)

    await _on_card(parts, asking, click, value, decide)


async def _settle(parts: Parts, asking: Asking, click: Click, value: Mapping[str, Any]) -> None:
    happened = names.kind_of(click.actions[0].action_id) == names.HAPPENED

    async def decide(change: str, _digest: str) -> None:
        await settle(parts, asking, await parts.core.gate.get(change), happened=happened)

    await _on_card(parts, asking, click, value, decide)


async def _on_card(
    parts: Parts,
    asking: Asking,
    click: Click,
    value: Mapping[str, Any],
    decide: Callable[[str, str], Awaitable[None]],
) -> None:
    """Decide something on a card; a refusal is told in private, and the card is brought to what is true now."""
    ident, digest = str(value.get("c", ""))[:CHANGE_ID], str(value.get("d", ""))
    if asking.stranger:
        raise NotAllowed("Only members of this workspace can decide, not guests from another.")
    change = await parts.core.gate.get(ident)
    await _adopt(parts, click, change)
    try:
        await decide(ident, digest)
    except (StaleChange, NotAllowed):
        await parts.deliverer.redraw(await parts.core.gate.get(ident))
        raise


async def _adopt(parts: Parts, click: Click, change: Change) -> None:
    """Remember a copy that was posted and never noted (the process ended in between), so that it is edited too."""
    where = click.container
    if where.is_ephemeral or not where.message_ts or not where.channel_id:
        return
    topic = topic_of(change.id)
    known = {(one.channel, one.ts) for one in await parts.core.outbox.copies(topic)}
    if (where.channel_id, where.message_ts) in known:
        return
    votes = names.kind_of(click.actions[0].action_id) in {names.APPROVE, names.DENY}
    purpose = Audience.VOTERS if votes else Audience.ASKER
    await parts.core.outbox.remember(topic, purpose.value, where.channel_id, where.message_ts)
    if change.state is not State.HELD:
        await parts.deliverer.redraw(change)


async def _run(parts: Parts, asking: Asking, click: Click, value: Mapping[str, Any]) -> None:
    wanted = wanted_of(value, replace=click.container.is_ephemeral)
    if wanted is not None:
        await run(parts, asking, wanted)


async def _share(parts: Parts, asking: Asking, _click: Click, value: Mapping[str, Any]) -> None:
    wanted = wanted_of(value, replace=False, everyone=True)
    if wanted is not None:
        await run(parts, asking, wanted)


async def _menu(parts: Parts, asking: Asking, click: Click, _value: Mapping[str, Any]) -> None:
    operation, _, server = click.actions[0].given.partition(" ")
    wanted = wanted_of({"op": operation, "args": {"server": server}}, replace=False)
    if wanted is not None:
        await run(parts, asking, wanted)


async def _plan(parts: Parts, asking: Asking, click: Click, _value: Mapping[str, Any]) -> None:
    if click.view is not None:
        await redraw_create(parts, asking, click.view)


ACTS: Final[Mapping[str, Act]] = {
    names.CONFIRM: _confirm,
    names.CANCEL: _cancel,
    names.APPROVE: _approve,
    names.DENY: _deny,
    names.HAPPENED: _settle,
    names.NOT_HAPPENED: _settle,
    names.RUN: _run,
    names.MENU: _menu,
    names.SHARE: _share,
    names.PLAN: _plan,
}
