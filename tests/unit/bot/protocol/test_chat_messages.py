"""Which events are messages that a person typed to the app, and which of their words are a command."""

from typing import Any, Final

import pytest

from vpsops.bot.ingress.worker import message_key
from vpsops.bot.protocol.chat_messages import chat_message_from, command_text
from vpsops.bot.protocol.payloads import ChatMessage, EventCallback, MalformedPayloadError

BOT: Final = "U0VPSBOT"
MENTION: Final = {"type": "app_mention", "user": "U0ALICE", "channel": "C0OPS", "ts": "1700000000.000100"}
DIRECT: Final = {**MENTION, "type": "message", "channel_type": "im", "channel": "D0ALICE"}


def callback(event: dict[str, Any], event_id: str = "Ev1") -> EventCallback:
    body = {"event_id": event_id, "team_id": "T0ACME", "authorizations": [{"team_id": "T0ACME"}], "event": event}
    return EventCallback.model_validate(body)


def message(text: str, event: dict[str, Any] = MENTION) -> ChatMessage:
    made = chat_message_from(callback({**event, "text": text}))
    assert made is not None
    return made


@pytest.mark.parametrize("event", [MENTION, DIRECT])
@pytest.mark.parametrize(
    "more",
    [
        {"edited": {"user": "U0ALICE", "ts": "1700000001.000100"}},
        {"bot_id": "B0OTHER"},
        {"app_id": "A0OTHER"},
        {"bot_profile": {"id": "B0OTHER"}},
        {"hidden": True},
        {"attachments": [{"is_share": True, "text": "reboot web01"}]},
        {"subtype": "bot_message"},
        {"subtype": "message_changed", "message": {"text": "reboot web01"}},
        {"subtype": "message_deleted"},
        {"subtype": "message_replied"},
        {"subtype": "me_message"},
        {"subtype": "channel_join"},
        {"subtype": "one of next year"},
    ],
)
def test_only_what_a_person_typed_just_now_is_a_message(event: dict[str, Any], more: dict[str, Any]) -> None:
    """Edited, deleted, hidden and forwarded messages, and those of apps, are none."""
    assert chat_message_from(callback({**event, "text": "reboot web01", **more})) is None


@pytest.mark.parametrize("kind", ["channel", "group", "mpim", "app_home", None])
def test_what_people_write_to_each_other_is_no_message_to_the_app(kind: str | None) -> None:
    """Of the messages without a mention only those in direct messages count."""
    assert chat_message_from(callback({**DIRECT, "text": "list", "channel_type": kind})) is None


@pytest.mark.parametrize("lacking", ["user", "channel", "ts"])
def test_a_message_without_its_author_or_place_is_malformed(lacking: str) -> None:
    """It is dropped, and never attributed to anyone."""
    event = {name: value for name, value in MENTION.items() if name != lacking}
    with pytest.raises(MalformedPayloadError):
        chat_message_from(callback(event))


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (f"<@{BOT}> reboot web01 because disk", "reboot web01 because disk"),
        (f"  <@{BOT}|vpsops>: list", "list"),
        (f"<@{BOT}>", ""),
        (f"please <@{BOT}> reboot web01", None),
        (f"&gt; <@{BOT}> reboot web01", None),
        (f"<@{BOT}> reboot web01 <@U0BOB>", None),
        (f"<@{BOT}> <@{BOT}> reboot web01", None),
        (f"<@{BOT}> reboot web01 <!here>", None),
        (f"<@{BOT}> reboot web01 <!subteam^S0OPS|@ops>", None),
        ("<@U0BOB> reboot web01", None),
        ("reboot web01", None),
        ("", None),
    ],
)
def test_a_command_follows_the_only_mention(text: str, command: str | None) -> None:
    """A mention elsewhere, of others too, or quoted, asks for nothing."""
    assert command_text(message(text), BOT) == command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("reboot web01", "reboot web01"),
        (f"<@{BOT}> reboot web01", "reboot web01"),
        ("audit <@U0BOB>", "audit <@U0BOB>"),
        ("<@U0BOB> reboot web01", "<@U0BOB> reboot web01"),
        ("reboot web01 <@U0BOB> <@U0EVE>", None),
    ],
)
def test_a_direct_message_needs_no_mention(text: str, command: str | None) -> None:
    """All of it is the command; the app's own mention may stand before it."""
    assert command_text(message(text, DIRECT), BOT) == command


def test_all_events_of_a_message_have_one_key() -> None:
    """An edit makes an event with an id of its own, and a mention in direct messages may make two."""
    first = chat_message_from(callback({**MENTION, "text": "list"}, "Ev1"))
    second = chat_message_from(callback({**MENTION, "text": "list"}, "Ev2"))
    other = chat_message_from(callback({**MENTION, "text": "list", "channel": "C0GENERAL"}, "Ev1"))
    assert first is not None
    assert second is not None
    assert other is not None
    assert message_key(first) == message_key(second) != message_key(other)
