"""Models of Slack's payloads. Fields that vpsops relies on are validated; the rest is ignored."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from vpsops.core.common.json_types import parse_json

MAX_BYTES: Final = 1_000_000
"""Slack's payloads are far smaller; a modal's state is the largest."""
MAX_FIELDS: Final = 100

Ident = Field(min_length=1, max_length=300)
NullableText = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
"""A string that Slack may omit or send as null."""


class MalformedPayloadError(Exception):
    """A request that is not a valid Slack payload. The message contains no part of it."""


class _Payload(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class SlashCommand(_Payload):
    """A slash command (form fields)."""

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
    """The acting user. `team_id` is their home workspace, which differs in shared channels."""

    id: str = Ident
    username: NullableText = ""
    name: NullableText = ""
    team_id: NullableText = ""


class SlackReference(_Payload):
    """An object of which only the id is used (team, enterprise, channel)."""

    id: str = ""


class SelectedOption(_Payload):
    """The selected option of a menu."""

    value: str = ""


class BlockAction(_Payload):
    """One action of a block_actions payload."""

    action_id: str = Ident
    block_id: str = ""
    action_ts: str = ""
    value: str = ""
    selected_option: SelectedOption | None = None

    @property
    def chosen_value(self) -> str:
        """The button's value or the menu's selected option."""
        return self.selected_option.value if self.selected_option else self.value


class Container(_Payload):
    """The message or view that contains the control."""

    message_ts: str = ""
    thread_ts: str = ""
    channel_id: str = ""
    is_ephemeral: bool = False


class ViewState(_Payload):
    """A modal's input values, by block id and action id; a menu's choice is an object or absent."""

    values: dict[str, dict[str, dict[str, Any]]] = {}

    @field_validator("values")
    @classmethod
    def _check_choices(cls, values: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
        for controls in values.values():
            if not all(isinstance(control.get("selected_option"), dict | None) for control in controls.values()):
                raise ValueError("a choice is an object")
        return values


class ViewPayload(_Payload):
    """An open modal or App Home."""

    id: str = Ident
    type: str = "modal"
    hash: str = ""
    callback_id: str = ""
    private_metadata: str = Field(default="", max_length=3000)
    app_installed_team_id: NullableText = ""
    """The workspace of the view's installation. In shared channels, `team` is the user's own workspace."""
    state: ViewState = ViewState()


class _InteractionPayload(_Payload):
    """Fields common to all interaction payloads."""

    user: SlackUser
    team: SlackReference | None = None
    enterprise: SlackReference | None = None
    api_app_id: NullableText = ""


class BlockActions(_InteractionPayload):
    """A block_actions payload: controls used in a message or view."""

    channel: SlackReference | None = None
    container: Container = Container()
    view: ViewPayload | None = None
    actions: list[BlockAction] = Field(min_length=1, max_length=25)
    trigger_id: str = ""
    response_url: str = Field(default="", max_length=2000)

    @property
    def at_home(self) -> bool:
        """Whether the control is on App Home, which has neither a channel nor a response_url."""
        return self.view is not None and self.view.type == "home"


class ViewSubmission(_InteractionPayload):
    """A view_submission payload."""

    view: ViewPayload
    trigger_id: str = ""


class MessageContent(_Payload):
    """The message a shortcut was used on. Its content is untrusted."""

    text: str | None = Field(default="", max_length=100_000)
    blocks: list[Any] | None = None
    attachments: list[Any] | None = None


class ShortcutPayload(_InteractionPayload):
    """A shortcut or message_action payload."""

    channel: SlackReference | None = None
    callback_id: str = Ident
    trigger_id: str = Ident
    action_ts: str = ""
    message: MessageContent | None = None
    response_url: str = Field(default="", max_length=2000)


class BlockSuggestion(_InteractionPayload):
    """A block_suggestion payload: text typed into an external_select."""

    view: ViewPayload | None = None
    action_id: str = Ident
    value: str = Field(default="", max_length=3000)


class EventAuthorization(_Payload):
    """An installation an event is delivered for."""

    team_id: NullableText = ""
    enterprise_id: NullableText = ""


class EventCallback(_Payload):
    """An event_callback payload of the Events API."""

    event_id: str = Ident
    team_id: NullableText = ""
    enterprise_id: NullableText = ""
    api_app_id: NullableText = ""
    authorizations: list[EventAuthorization] = []
    event_time: float | None = None
    """Unix time in seconds. None is treated as now."""
    event: dict[str, Any]


class ChatMessage(_Payload):
    """A message that a person typed to the app, as it is stored: nothing but what a command needs."""

    user_id: str = Ident
    channel_id: str = Ident
    direct: bool = False
    """Whether it is in the direct messages with the app."""
    ts: str = Field(pattern=r"^\d{1,10}\.\d{1,9}$")
    thread_ts: NullableText = Field(default="", pattern=r"^(\d{1,10}\.\d{1,9})?$")
    text: NullableText = ""
    sender_teams: list[str] = []
    """The workspaces that it names as its author's."""
    team_id: NullableText = ""
    enterprise_id: NullableText = ""
    api_app_id: NullableText = ""
    authorizations: list[EventAuthorization] = []


class OtherPayload(_Payload):
    """A payload of a type that is only acknowledged."""

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
    """Parse a request body the way Bolt does; raises `MalformedPayloadError`."""
    try:
        value = _decode(body.decode("utf-8"), content_type)
    except (ValueError, RecursionError):
        raise MalformedPayloadError("the body cannot be read") from None
    if not isinstance(value, dict):
        raise MalformedPayloadError("the body is not an object")
    return parse_payload(value)


def parse_payload(value: Mapping[str, Any]) -> BaseModel:
    """Validate a payload by its type; raises `MalformedPayloadError`."""
    kind = value.get("type")
    model: type[_Payload] = SlashCommand if "command" in value and kind is None else MODELS.get(str(kind), OtherPayload)
    try:
        return model.model_validate(value)
    except (ValidationError, RecursionError):
        raise MalformedPayloadError("the payload lacks what one of its kind has") from None


def is_ssl_check(body: bytes) -> bool:
    """Return whether this is Slack's unsigned ssl_check request, which is answered without effect."""
    return len(body) <= 1000 and b"ssl_check=1" in body.split(b"&")  # noqa: PLR2004 - it is a short form


def _decode(text: str, content_type: str) -> Any:
    if content_type.split(";", maxsplit=1)[0].strip().lower() == "application/json" or text.startswith("{"):
        return parse_json(text)
    form = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    return parse_json(form["payload"]) if "payload" in form else form
