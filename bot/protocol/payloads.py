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
Told = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
"""A word that Slack leaves out, or sends as null, where there is none."""


class Malformed(Exception):  # noqa: N818 - what the sender did, not an error of ours
    """A request that is not one of Slack's; the text holds nothing of it."""


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class SlashCommand(_Wire):
    """A slash command, as the form Slack posts."""

    command: str = Ident
    user_id: str = Ident
    team_id: str = Ident
    enterprise_id: Told = ""
    api_app_id: Told = ""
    channel_id: str = Ident
    trigger_id: str = Ident
    response_url: str = Field(default="", max_length=2000)
    user_name: str = ""
    text: str = ""


class Person(_Wire):
    """Who clicked; `team_id` is another workspace's for a guest in a shared channel."""

    id: str = Ident
    username: Told = ""
    name: Told = ""
    team_id: Told = ""


class Named(_Wire):
    """Something with an id."""

    id: str = ""


class Option(_Wire):
    """A chosen entry of a menu."""

    value: str = ""


class Pressed(_Wire):
    """One control that was used."""

    action_id: str = Ident
    block_id: str = ""
    action_ts: str = ""
    value: str = ""
    selected_option: Option | None = None

    @property
    def given(self) -> str:
        """What the control carries: a button's value or a menu's choice."""
        return self.selected_option.value if self.selected_option else self.value


class Container(_Wire):
    """Where the control stands."""

    message_ts: str = ""
    thread_ts: str = ""
    channel_id: str = ""
    is_ephemeral: bool = False


class ViewState(_Wire):
    """What a form holds, by block and control."""

    values: dict[str, dict[str, dict[str, Any]]] = {}


class ShownView(_Wire):
    """A form or a Home on somebody's screen."""

    id: str = Ident
    type: str = "modal"
    hash: str = ""
    callback_id: str = ""
    private_metadata: str = Field(default="", max_length=3000)
    app_installed_team_id: Told = ""
    """The workspace whose installation showed it: `team` is the person's own, where channels are shared."""
    state: ViewState = ViewState()


class _Interaction(_Wire):
    """What all of people's interactions name."""

    user: Person
    team: Named | None = None
    enterprise: Named | None = None
    api_app_id: Told = ""


class Click(_Interaction):
    """Controls used on a message or in a form."""

    channel: Named | None = None
    container: Container = Container()
    view: ShownView | None = None
    actions: list[Pressed] = Field(min_length=1, max_length=25)
    trigger_id: str = ""
    response_url: str = Field(default="", max_length=2000)

    @property
    def at_home(self) -> bool:
        """Say whether it was on App Home, which has neither a channel nor a response address."""
        return self.view is not None and self.view.type == "home"


class Submission(_Interaction):
    """A form that was sent."""

    view: ShownView
    trigger_id: str = ""


class Said(_Wire):
    """A message that somebody used a shortcut on; what stands in it is data."""

    text: str | None = Field(default="", max_length=100_000)
    blocks: list[Any] | None = None
    attachments: list[Any] | None = None


class Shortcut(_Interaction):
    """The use of a shortcut, on a message or from anywhere."""

    channel: Named | None = None
    callback_id: str = Ident
    trigger_id: str = Ident
    action_ts: str = ""
    message: Said | None = None
    response_url: str = Field(default="", max_length=2000)


class Suggestion(_Interaction):
    """What somebody typed into a menu that asks us for its entries."""

    view: ShownView | None = None
    action_id: str = Ident
    value: str = Field(default="", max_length=3000)


class Authorization(_Wire):
    """An installation that an event is for."""

    team_id: Told = ""
    enterprise_id: Told = ""


class Event(_Wire):
    """An event of the Events API; which one is for the handler to read."""

    event_id: str = Ident
    team_id: Told = ""
    enterprise_id: Told = ""
    api_app_id: Told = ""
    authorizations: list[Authorization] = []
    event_time: float | None = None
    """When it happened, in seconds since 1970; where nobody says, it counts as just now."""
    event: dict[str, Any]


class Anything(_Wire):
    """A payload of a kind that needs nothing of us but an answer."""

    type: str = Ident


KINDS: Final[Mapping[str, type[_Wire]]] = {
    "block_actions": Click,
    "view_submission": Submission,
    "event_callback": Event,
    "shortcut": Shortcut,
    "message_action": Shortcut,
    "block_suggestion": Suggestion,
}


def check_body(body: bytes, content_type: str) -> BaseModel:
    """Read a body the way Bolt does and return what we and Bolt rely on; raises `Malformed`."""
    try:
        value = _decode(body.decode("utf-8"), content_type)
    except (ValueError, RecursionError):
        raise Malformed("the body cannot be read") from None
    if not isinstance(value, dict):
        raise Malformed("the body is not an object")
    return check_payload(value)


def check_payload(value: Mapping[str, Any]) -> BaseModel:
    """Check a payload's shape by its kind and return it; raises `Malformed`."""
    kind = value.get("type")
    model: type[_Wire] = SlashCommand if "command" in value and kind is None else KINDS.get(str(kind), Anything)
    try:
        return model.model_validate(value)
    except (ValidationError, RecursionError):
        raise Malformed("the payload lacks what one of its kind has") from None


def is_ssl_check(body: bytes) -> bool:
    """Say whether this is Slack's unsigned look at the certificate, which is answered and does nothing."""
    return len(body) <= 1000 and b"ssl_check=1" in body.split(b"&")  # noqa: PLR2004 - it is a short form


def _decode(text: str, content_type: str) -> Any:
    if content_type.split(";", maxsplit=1)[0].strip().lower() == "application/json" or text.startswith("{"):
        return json.loads(text)
    form = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    return json.loads(form["payload"]) if "payload" in form else form
