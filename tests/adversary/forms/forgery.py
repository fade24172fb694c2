"""What an adversary does with forms and buttons: sends another's form, edits it, sends it twice, or was turned out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import anyio

from tests.fakes.slack_bot import BotHarness, message_words
from vpsops.bot.blocks.elements import pack, unpack
from vpsops.playground.slack.api.dispatch import Sending
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.protocol.payloads import click_action
from vpsops.playground.slack.rendering.elements import element_in
from vpsops.playground.slack.workspace.entities import Message, View

INTERACTIVE: Final = "interactive"
Json = dict[str, Any]


def become(slack: SimulatedWorkspace, name: str, **flags: bool) -> None:
    """Let a person be something else from now on: a guest, or deactivated."""
    user = slack.desk.state.users[slack.user_id(name)]
    slack.desk.state.users[user.id] = replace(user, **flags)  # type: ignore[arg-type]


def turn_out(slack: SimulatedWorkspace, name: str) -> None:
    """Take a person out of the approval channel and all user groups."""
    slack.kick("approvals", name)
    for group in slack.desk.state.groups.values():
        members = [member for member in group.members if member != slack.user_id(name)]
        slack.desk.state.groups[group.id] = replace(group, members=tuple(members))


async def opened(world: BotHarness, user: str, card: Message, action: str) -> View:
    """Press a button that opens a form, and return the form."""
    await world.slack.click(user, card, action)
    view = await world.slack.wait_for(lambda: world.slack.modal(user))
    assert view is not None
    return view


async def press(
    world: BotHarness,
    user: str,
    seen: Message | View,
    action: str,
    edit: Mapping[str, object] | None = None,
    **parts: Any,
) -> None:
    """Press a button by a signed request, as a client that is behind does: with its value edited, or other parts."""
    slack = world.slack
    block, element = element_in(seen.blocks, action)
    pressed = click_action(block, element)
    if edit is not None:
        pressed["value"] = pack({**unpack(str(pressed.get("value", ""))), **edit})
    person = slack.desk.state.users[slack.user_id(user)]
    payload = slack.payloads.block_actions(person, slack.place(seen), pressed)
    await slack.deliver("block_actions", "interactive", {**payload, **parts}, {})


async def send(
    world: BotHarness,
    user: str,
    view: View,
    values: Mapping[str, object],
    edit: Mapping[str, object] | None = None,
    times: int = 1,
) -> None:
    """Send a form as a signed request: with another's hands, with its metadata edited, or several times at once."""
    slack = world.slack
    body = dict(view.body)
    if edit is not None:
        body["private_metadata"] = pack({**unpack(str(body.get("private_metadata", ""))), **edit})
    forged = replace(view, body=body)
    payload = slack.payloads.view_submission(slack.desk.state.users[slack.user_id(user)], forged, state_of(values))
    async with anyio.create_task_group() as group:
        for _ in range(times):
            group.start_soon(slack.deliver, "view_submission", INTERACTIVE, payload, Sending())


def state_of(values: Mapping[str, object]) -> Json:
    """Return the state of a form: words for inputs, a mapping as it is."""
    return {
        name: {name: value if isinstance(value, Mapping) else {"type": "plain_text_input", "value": value}}
        for name, value in values.items()
    }


def chosen(value: str) -> Json:
    """Return the state of a menu."""
    return {"type": "static_select", "selected_option": {"text": {"type": "plain_text", "text": "x"}, "value": value}}


def shown(world: BotHarness, user: str) -> str:
    """Return all that a person reads in private and in their forms."""
    slack = world.slack
    private = (*slack.ephemerals(user), *slack.direct_messages(user))
    return " ".join([*map(message_words, private), *(str(view.body) for view in slack.modals(user))])
