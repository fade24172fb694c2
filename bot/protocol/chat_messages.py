"""Messages written to the app: which of them may be commands, and which of their words are the command."""

import re
from typing import Any, Final

from pydantic import ValidationError

from vpsops.bot.protocol.payloads import ChatMessage, EventCallback, MalformedPayloadError

APP_MENTION: Final = "app_mention"
MESSAGE: Final = "message"
DIRECT: Final = "im"
TYPED_SUBTYPES: Final = ("", "thread_broadcast")
"""A person typed the message; all other subtypes tell of something else, many of them hidden."""
NOT_TYPED: Final = ("bot_id", "bot_profile", "app_id", "edited", "hidden", "attachments")
"""Fields of messages by apps, of edited and of hidden ones. As it is posted, only a forwarded one has attachments."""

_MENTION: Final = re.compile(r"<[@!][^<>]*>")
_LEADING: Final = re.compile(r"\s*<@([UW][A-Z0-9]{2,20})(?:\|[^<>]*)?>[\s,:]*")


def chat_message_from(callback: EventCallback) -> ChatMessage | None:
    """Return the message of an event, if a person has typed it to the app; None for everything else.

    Raises `MalformedPayloadError`.
    """
    event = callback.event
    kind, direct = event.get("type"), event.get("channel_type") == DIRECT
    if kind != APP_MENTION and not (kind == MESSAGE and direct):
        return None
    if (event.get("subtype") or "") not in TYPED_SUBTYPES or any(event.get(name) for name in NOT_TYPED):
        return None
    try:
        return ChatMessage.model_validate(_fields(callback, direct=direct))
    except ValidationError:
        raise MalformedPayloadError("the message lacks what one has") from None


def _fields(callback: EventCallback, *, direct: bool) -> dict[str, Any]:
    event = callback.event
    return {
        "user_id": event.get("user"),
        "channel_id": event.get("channel"),
        "direct": direct,
        "ts": event.get("ts"),
        "thread_ts": event.get("thread_ts"),
        "text": event.get("text"),
        "sender_teams": [team for name in ("team", "user_team", "source_team") if (team := event.get(name))],
        "team_id": callback.team_id,
        "enterprise_id": callback.enterprise_id,
        "api_app_id": callback.api_app_id,
        "authorizations": [each.model_dump() for each in callback.authorizations],
    }


def command_text(message: ChatMessage, bot_user: str) -> str | None:
    """Return the command in a message: what follows the mention of the app, in direct messages all of it.

    None if the mention is not at the beginning, and if others are mentioned along with the app. Slack says that the app
    is mentioned, so without a `bot_user` the only mention is the app's.
    """
    leading = _LEADING.match(message.text)
    is_own = leading is not None and (leading[1] == bot_user if bot_user else not message.direct)
    if (not is_own and not message.direct) or len(_MENTION.findall(message.text)) > 1:
        return None
    return message.text[leading.end() :] if leading is not None and is_own else message.text
