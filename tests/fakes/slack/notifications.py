"""Which messages notify a person by Slack's default settings: direct messages and mentions, and nothing else.

Where Slack's pages leave it open, the narrower reading is taken: a mention reaches members of the channel alone, counts
only where the message shows it, and `@channel` and `@here` reach no one from a thread. An edit notifies no one.
Source: "Configure your Slack notifications", "Notify a channel or workspace", "Use mentions in Slack" (Slack Help).
"""

import re
from typing import Any, Final

from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.workspace.entities import Message

MENTION: Final = re.compile(
    r"<(?:@(?P<user>[UW]\w+)|!subteam\^(?P<group>S\w+)(?:\|[^>]*)?|!(?P<whole>channel|everyone))>"
)


def notifications(slack: SimulatedWorkspace, name: str) -> list[Message]:
    """Return the messages that notified a person, oldest first, as they were posted."""
    user, state = slack.user_id(name), slack.desk.state
    channels = [channel for channel in state.channels.values() if user in channel.members]
    messages = [message for channel in channels for message in state.history.get(channel.id, {}).values()]
    every = [*messages, *(message for message in state.deleted if message.channel in {item.id for item in channels})]
    return sorted((message for message in every if notifies(slack, message, user)), key=lambda message: message.ts)


def notifies(slack: SimulatedWorkspace, message: Message, user: str) -> bool:
    """Return whether a message of another person notifies a member of its channel."""
    if message.user == user or message.ephemeral:
        return False
    if slack.desk.state.channels[message.channel].kind == "im":
        return message.thread_ts is None
    return any(_reaches(slack, match, message, user) for match in MENTION.finditer(first_words(message)))


def first_words(message: Message) -> str:
    """Return the markup that a message showed when it was posted: that of its blocks, or its text without any."""
    first = message.edits[0] if message.edits else message
    return " ".join(_markup(list(first.blocks))) if first.blocks else first.text


def _markup(node: Any) -> list[str]:
    if isinstance(node, list | tuple):
        return [text for item in node for text in _markup(item)]
    if not isinstance(node, dict):
        return []
    own = [str(node["text"])] if node.get("type") == "mrkdwn" else []
    return own + [text for value in node.values() for text in _markup(value)]


def _reaches(slack: SimulatedWorkspace, match: re.Match[str], message: Message, user: str) -> bool:
    if match["user"]:
        return match["user"] == user
    if match["group"]:
        group = slack.desk.state.groups.get(match["group"])
        return group is not None and not group.disabled and user in group.members
    return message.thread_ts is None


def possible_notifications(slack: SimulatedWorkspace, name: str) -> list[Message]:
    """Return the messages that may have notified a person, by the wider reading: also replies that they follow.

    A person follows a thread whose first message mentions them, and each one in their direct messages.
    """
    user, state = slack.user_id(name), slack.desk.state
    channels = [channel for channel in state.channels.values() if user in channel.members]
    every = [message for channel in channels for message in state.history.get(channel.id, {}).values()]
    return [message for message in every if may_notify(slack, message, user)]


def may_notify(slack: SimulatedWorkspace, message: Message, user: str) -> bool:
    """Return whether a message may notify a person, be it as a reply in a thread that they follow."""
    if message.user == user or message.ephemeral:
        return False
    if slack.desk.state.channels[message.channel].kind == "im" or notifies(slack, message, user):
        return True
    root = slack.desk.state.history[message.channel].get(message.thread_ts or "")
    return root is not None and f"<@{user}>" in first_words(root)


def first_text(message: Message) -> str:
    """Return the whole text of a message as it was posted."""
    return (message.edits[0] if message.edits else message).text
