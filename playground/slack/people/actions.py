"""What people do in channels: type commands, press buttons, pick from menus, use shortcuts; and what they see of it."""

from collections.abc import Mapping
from typing import Unpack

from vpsops.playground.slack.api.dispatch import Dispatcher, Sending, envelope_of
from vpsops.playground.slack.api.transports import Kind
from vpsops.playground.slack.people.inspector import Room
from vpsops.playground.slack.protocol.context import Desk
from vpsops.playground.slack.protocol.payloads import PayloadPlace, Payloads, click_action, escape_mentions
from vpsops.playground.slack.protocol.replies import show_reply
from vpsops.playground.slack.rendering.elements import (
    Entered,
    NotOnScreenError,
    Value,
    element_in,
    initial,
    picked,
    state_values,
)
from vpsops.playground.slack.rendering.limits import check_options
from vpsops.playground.slack.workspace.entities import Channel, Message, User, View
from vpsops.playground.slack.workspace.log import Attempt, Delivery
from vpsops.playground.slack.workspace.protocol import ApiError, Json
from vpsops.playground.slack.workspace.state import MessageDraft


class People(Room):
    """The people of a workspace; every act is delivered to the app and waits for its acknowledgement."""

    def __init__(self, desk: Desk, dispatcher: Dispatcher) -> None:
        super().__init__(desk, dispatcher)
        self.payloads = Payloads(desk)
        self.entered: dict[str, Entered] = {}
        self.offered: dict[str, list[Json]] = {}

    async def command(self, user: str, channel: str, command: str, text: str = "", **how: Unpack[Sending]) -> Delivery:
        """Type a slash command; the ack's text or blocks appear to the person, errors as Slack words them."""
        person, place = self._person(user), self._place(user, channel)
        payload = self.payloads.slash(person, place, command, text)
        delivery = await self.deliver("slash_commands", "slash_commands", payload, how)
        if delivery.ack and not delivery.error:
            self._show_ack(delivery, person, place)
        return delivery

    async def click(self, user: str, where: Message | View, action_id: str, **how: Unpack[Sending]) -> Delivery:
        """Press a button of a message or view in its current form, agreeing to its confirm dialog.

        Raises `NotOnScreenError` when the message is gone or no longer has the button.
        """
        return await self._press(user, self.current(user, where), action_id, how)

    async def click_stale(self, user: str, seen: Message | View, action_id: str, **how: Unpack[Sending]) -> Delivery:
        """Press a button of an old copy, as a client does that has not yet drawn the newer copy."""
        return await self._press(user, seen, action_id, how)

    async def select(
        self, user: str, where: Message | View, action_id: str, value: Value, **how: Unpack[Sending]
    ) -> Delivery:
        """Pick from a menu, tick boxes or choose a date. Raises `NotOnScreenError` for a choice that is not offered."""
        seen = self.current(user, where)
        block, element = element_in(seen.blocks, action_id, how.get("block", ""))
        held = picked(element, value, self.offered.get(action_id, ()))
        if element["type"] != "overflow":
            self.entered.setdefault(surface_key(seen), {})[block["block_id"], action_id] = held
        action = {"action_id": action_id, "block_id": block["block_id"], **held}
        return await self._act(user, seen, action, element, how)

    async def options(
        self, user: str, where: Message | View, action_id: str, text: str = "", **how: Unpack[Sending]
    ) -> Delivery:
        """Type into a menu fed by the app; the options it offers are in `options` and may be picked afterwards.

        Raises `NotOnScreenError` when the client would not ask yet (`min_query_length`, 3 unless set).
        """
        seen = self.current(user, where)
        block, element = element_in(seen.blocks, action_id, how.get("block", ""))
        if element["type"] not in {"external_select", "multi_external_select"}:
            raise NotOnScreenError(f"{action_id} asks the app for no options")
        if len(text) < int(element.get("min_query_length", 3)):
            raise NotOnScreenError(f"{action_id} asks from {element.get('min_query_length', 3)} characters on")
        at = (str(block["block_id"]), action_id)
        payload = self.payloads.block_suggestion(self._person(user), self.place(seen), at, text)
        delivery = await self.deliver("block_suggestion", "interactive", payload, how)
        self._offer(delivery, action_id)
        return delivery

    async def shortcut(self, user: str, callback_id: str, **how: Unpack[Sending]) -> Delivery:
        """Use a global shortcut."""
        payload = self.payloads.shortcut(self._person(user), callback_id)
        return await self.deliver("shortcut", "interactive", payload, how)

    async def message_shortcut(self, user: str, message: Message, callback_id: str, **how: Unpack[Sending]) -> Delivery:
        """Use a shortcut of a message."""
        self.current(user, message)
        payload = self.payloads.message_action(self._person(user), message, callback_id)
        return await self.deliver("message_action", "interactive", payload, how)

    async def event(self, event: Mapping[str, object], **how: Unpack[Sending]) -> Delivery:
        """Send an event of the Events API; failures are retried immediately, after 1 and after 5 minutes."""
        payload = self.payloads.event(self.desk.state.number(), dict(event))
        return await self.deliver("event_callback", "events_api", payload, how)

    async def mention(
        self, user: str, channel: str, text: str, thread: str | None = None, **how: Unpack[Sending]
    ) -> Delivery:
        """Write a message that begins with a mention of the bot; raises `NotOnScreenError` if it is not sent."""
        return await self._written(self.say(user, channel, f"@{self.config.bot_name} {text}", thread), how)

    async def direct_message(self, user: str, text: str, thread: str | None = None, **how: Unpack[Sending]) -> Delivery:
        """Write to the app; raises `NotOnScreenError` if it is not sent."""
        channel = self.desk.state.dm_with(self.user_id(user)).id
        return await self._written(self.say(user, channel, text, thread), how)

    async def show_app(self, message: Message, **how: Unpack[Sending]) -> Delivery | None:
        """Send a message to the app if it mentions it or is in its direct messages, and the app has the scope."""
        event = self.payloads.message_event(message)
        return None if event is None else await self.event(event, **how)

    async def _written(self, message: Message, how: Sending) -> Delivery:
        delivery = await self.show_app(message, **how)
        if delivery is None:
            raise NotOnScreenError("the app is not sent this message")
        return delivery

    async def open_home(self, user: str, **how: Unpack[Sending]) -> Delivery:
        """Open the app's home tab."""
        person = self._person(user)
        event: Json = {"type": "app_home_opened", "user": person.id, "tab": "home"}
        event["channel"] = self.desk.state.dm_with(person.id).id
        if view := self.home(user):
            event["view"] = {"id": view.id, "type": "home", "hash": view.hash}
        return await self.event(event, **how)

    def say(self, user: str, channel: str, text: str, thread: str | None = None) -> Message:
        """Write a message without an event for the app."""
        place = self._place(user, channel)
        words = escape_mentions(self.desk, text)
        draft = MessageDraft(channel=place.id, user=self._person(user).id, text=words, thread_ts=thread)
        message = self.desk.state.post(draft, self.desk.now())
        self.changed()
        return message

    async def raw_delivery(self, body: bytes, headers: Mapping[str, str]) -> Attempt:
        """POST these bytes with exactly these headers to the app, to try what strangers may send."""
        return await self.http.post(body, headers)

    async def deliver(self, what: str, kind: Kind, payload: Json, how: Sending) -> Delivery:
        """Deliver a payload of one's own making and note it among the deliveries."""
        delivery = Delivery(what, payload)
        self.deliveries.append(delivery)
        answers = kind != "events_api"
        await self.dispatcher.send(delivery, envelope_of(kind, payload, self.desk.state.number(), answers=answers), how)
        if delivery.acked is None:
            delivery.error = shown_error(delivery.attempts[0])
        self.changed()
        return delivery

    def current(self, user: str, where: Message | View) -> Message | View:
        """Return a message or view in this person's current view. Raises `NotOnScreenError`."""
        person = self._person(user)
        result = self._seen(where)
        if result is None:
            raise NotOnScreenError("it is gone")
        owner = result.user if isinstance(result, View) else result.shown_to
        if owner not in {None, person.id}:
            raise NotOnScreenError(f"{person.name} does not see what is shown to {owner}")
        if isinstance(result, Message):
            self._place(user, result.channel)
        return result

    def place(self, seen: Message | View) -> PayloadPlace:
        """Return the place of an interaction, with the state of its menus and inputs."""
        values = state_values(seen.blocks, self.entered.get(surface_key(seen), {}))
        if isinstance(seen, View):
            return PayloadPlace(view=seen, values=values)
        return PayloadPlace(message=seen, values=values)

    async def _press(self, user: str, seen: Message | View, action_id: str, how: Sending) -> Delivery:
        block, element = element_in(seen.blocks, action_id, how.get("block", ""))
        if initial(element) is not None or element["type"] == "overflow":
            raise NotOnScreenError(f"{action_id} is a {element['type']}: use select")
        allowed = element.get("visible_to_user_ids")
        if allowed is not None and self._person(user).id not in allowed:
            raise NotOnScreenError(f"{action_id} is not shown to {user}")
        return await self._act(user, seen, click_action(block, element), element, how)

    async def _act(self, user: str, seen: Message | View, action: Json, element: Json, how: Sending) -> Delivery:
        payload = self.payloads.block_actions(self._person(user), self.place(seen), action)
        delivery = await self.deliver("block_actions", "interactive", payload, how)
        delivery.confirmed = element.get("confirm")
        return delivery

    def _offer(self, delivery: Delivery, action_id: str) -> None:
        answer = delivery.ack or {}
        delivery.problems = check_options(answer) if delivery.acked else []
        if delivery.acked and not delivery.problems:
            grouped = [option for group in answer.get("option_groups") or () for option in group.get("options", ())]
            delivery.options = [*(answer.get("options") or ()), *grouped]
            self.offered[action_id] = delivery.options
        else:
            delivery.error = delivery.error or "trouble_connecting"

    def _show_ack(self, delivery: Delivery, person: User, place: Channel) -> None:
        try:
            show_reply(self.desk, person.id, place.id, delivery.ack or {})
        except ApiError as refused:
            delivery.error = "invalid_command_response"
            delivery.problems = list(refused.problems)
        self.changed()

    def _seen(self, where: Message | View) -> Message | View | None:
        if isinstance(where, View):
            return self.desk.surfaces.views.get(where.id)
        return self.desk.state.find(where.channel, where.ts)

    def _person(self, user: str) -> User:
        person = self.desk.state.users[self.user_id(user)]
        if person.deleted:
            raise NotOnScreenError(f"{person.name} has left the workspace")
        return person

    def _place(self, user: str, channel: str) -> Channel:
        place = self.desk.state.channels[self.channel_id(channel)]
        if place.kind != "public" and self.user_id(user) not in place.members:
            raise NotOnScreenError(f"{user} does not see {channel}")
        return place


def surface_key(seen: Message | View) -> str:
    """Return the key under which a client keeps the entered values of a message or view."""
    return seen.id if isinstance(seen, View) else "/".join(seen.key)


def shown_error(attempt: Attempt) -> str:
    """Return the word a person sees for a failed attempt."""
    if attempt.error is None or not attempt.error.startswith("http_"):
        return attempt.error or "dispatch_failed"
    return "http_client_error" if attempt.error.startswith("http_4") else "http_service_error"
