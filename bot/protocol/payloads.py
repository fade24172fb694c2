"""Slack's payloads, read strictly where we rely on them and nowhere else."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

MAX_BYTES: Final = 1_000_000
"""Slack's own payloads stay far below; a modal's state is the largest."""
MAX_FIELDS: Final = 100

Ident = Field(min_length=1, max_length=300)
NullableText = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
"""A word that Slack leaves out, or sends as null, where there is none."""


class MalformedPayloadError(Exception):
    """A request that is not one of Slack's; the text holds nothing of it."""


class _Payload(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class SlashCommand(_Payload):
    """A slash command, as the form Slack posts."""

    command: str = Ident
    user_id: str = Ident
    team_id: str = Ident
    enterprise_id: NullableText = ""
    api_app_id: NullableText = ""
    channel_id: str = Ident
    trigger_id: str = Ident
    response_url: str = Field(default="", max_length=2000)
    user_name: str = ""
    text: str = ""


class SlackUser(_Payload):
    """Who clicked; `team_id` is another workspace's for a guest in a shared channel."""

    id: str = Ident
    username: NullableText = ""
    name: NullableText = ""
    team_id: NullableText = ""


class SlackReference(_Payload):
    """Something with an id."""

    id: str = ""


class SelectedOption(_Payload):
    """A chosen entry of a menu."""

    value: str = ""


class BlockAction(_Payload):
    """One control that was used."""

    action_id: str = Ident
    block_id: str = ""
    action_ts: str = ""
    value: str = ""
    selected_option: SelectedOption | None = None

    @property
    def chosen_value(self) -> str:
        """What the control carries: a button's value or a menu's choice."""
        return self.selected_option.value if self.selected_option else self.value


class Container(_Payload):
    """Where the control stands."""

    message_ts: str = ""
    thread_ts: str = ""
    channel_id: str = ""
    is_ephemeral: bool = False


class ViewState(_Payload):
    """What a form holds, by block and control."""

    values: dict[str, dict[str, dict[str, Any]]] = {}


class ViewPayload(_Payload):
    """A form or a Home on somebody's screen."""

    id: str = Ident
    type: str = "modal"
    hash: str = ""
    callback_id: str = ""
    private_metadata: str = Field(default="", max_length=3000)
    app_installed_team_id: NullableText = ""
    """The workspace whose installation showed it: `team` is the person's own, where channels are shared."""
    state: ViewState = ViewState()


class _InteractionPayload(_Payload):
    """What all of people's interactions name."""

    user: SlackUser
    team: SlackReference | None = None
    enterprise: SlackReference | None = None
    api_app_id: NullableText = ""


class BlockActions(_InteractionPayload):
    """Controls used on a message or in a form."""

    channel: SlackReference | None = None
    container: Container = Container()
    view: ViewPayload | None = None
    actions: list[BlockAction] = Field(min_length=1, max_length=25)
    trigger_id: str = ""
    response_url: str = Field(default="", max_length=2000)

    @property
    def at_home(self) -> bool:
        """Say whether it was on App Home, which has neither a channel nor a response address."""
        return self.view is not None and self.view.type == "home"


class ViewSubmission(_InteractionPayload):
    """A form that was sent."""

    view: ViewPayload
    trigger_id: str = ""


class MessageContent(_Payload):
    """A message that somebody used a shortcut on; what stands in it is data."""

    text: str | None = Field(default="", max_length=100_000)
    blocks: list[Any] | None = None
    attachments: list[Any] | None = None


class ShortcutPayload(_InteractionPayload):
    """The use of a shortcut, on a message or from anywhere."""

    channel: SlackReference | None = None
    callback_id: str = Ident
    trigger_id: str = Ident
    action_ts: str = ""
    message: MessageContent | None = None
    response_url: str = Field(default="", max_length=2000)


class BlockSuggestion(_InteractionPayload):
    """What somebody typed into a menu that asks us for its entries."""

    view: ViewPayload | None = None
    action_id: str = Ident
    value: str = Field(default="", max_length=3000)


class EventAuthorization(_Payload):
    """An installation that an event is for."""

    team_id: NullableText = ""
    enterprise_id: NullableText = ""


class EventCallback(_Payload):
    """An event of the Events API; which one is for the handler to read."""

    event_id: str = Ident
    team_id: NullableText = ""
    enterprise_id: NullableText = ""
    api_app_id: NullableText = ""
    authorizations: list[EventAuthorization] = []
    event_time: float | None = None
    """When it happened, in seconds since 1970; where nobody says, it counts as just now."""
    event: dict[str, Any]


class OtherPayload(_Payload):
    """A payload of a kind that needs nothing of us but an answer."""

    type: str = Ident


MODELS: Final[Mapping[str, type[_Payload]]] = {
    "block_actions": BlockActions,
    "view_submission": ViewSubmission,
    "event_callback": EventCallback,
    "shortcut": ShortcutPayload,
    "message_action": ShortcutPayload,
    "block_suggestion": BlockSuggestion,
}


def parse_body(body: bytes, content_type: str) -> BaseModel:
    """Read a body the way Bolt does and return what we and Bolt rely on; raises `MalformedPayloadError`."""
    try:
        value = _decode(body.decode("utf-8"), content_type)
    except (ValueError, RecursionError):
        raise MalformedPayloadError("the body cannot be read") from None
    if not isinstance(value, dict):
        raise MalformedPayloadError("the body is not an object")
    return parse_payload(value)


def parse_payload(value: Mapping[str, Any]) -> BaseModel:
    """Check a payload's shape by its kind and return it; raises `MalformedPayloadError`."""
    kind = value.get("type")
    model: type[_Payload] = SlashCommand if "command" in value and kind is None else MODELS.get(str(kind), OtherPayload)
    try:
        return model.model_validate(value)
    except (ValidationError, RecursionError):
        raise MalformedPayloadError("the payload lacks what one of its kind has") from None


def is_ssl_check(body: bytes) -> bool:
    """Say whether this is Slack's unsigned look at the certificate, which is answered and does nothing."""
    return len(body) <= 1000 and b"ssl_check=1" in body.split(b"&")  # noqa: PLR2004 - it is a short form


def _decode(text: str, content_type: str) -> Any:
    if content_type.split(";", maxsplit=1)[0].strip().lower() == "application/json" or text.startswith("{"):
        return json.loads(text)
    form = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    return json.loads(form["payload"]) if "payload" in form else form
