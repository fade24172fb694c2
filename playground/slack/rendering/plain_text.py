"""Slack's text markup as plain text for a terminal."""

import re
from datetime import UTC, datetime
from typing import Any

from vpsops.playground.slack.workspace.state import WorkspaceState

_TOKEN = re.compile(r"<([^<>\n]+)>")
_BOLD = re.compile(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str, state: WorkspaceState) -> str:
    """Return mrkdwn with mentions by name, links spelled out, bold as it is, and the three escapes undone."""
    named = _TOKEN.sub(lambda result: _token(result[1], state), _BOLD.sub(r"\1", text))
    return printable(_unescape(named))


def printable(text: str) -> str:
    """Return text without the control characters that would steer a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def text_of(node: Any, state: WorkspaceState) -> str:
    """Return a text object, or bare text, as plain text; `plain_text` takes no markup, only the escapes."""
    if isinstance(node, str):
        return plain(node, state)
    if not isinstance(node, dict):
        return ""
    text = str(node.get("text", ""))
    return plain(text, state) if node.get("type") == "mrkdwn" else printable(_unescape(text))


def rich_text(node: Any, state: WorkspaceState) -> str:
    """Return a rich_text tree as plain text, a line per section or list item."""
    if not isinstance(node, dict):
        return ""
    kind, inner = node.get("type"), node.get("elements", [])
    if kind == "rich_text":
        return "\n".join(rich_text(each, state) for each in inner)
    if kind == "rich_text_list":
        return "\n".join(f"• {rich_text(each, state)}" for each in inner)
    if kind in {"rich_text_section", "rich_text_preformatted", "rich_text_quote"}:
        return "".join(_leaf(each, state) for each in inner)
    return _leaf(node, state)


def clock_time(moment: datetime | None) -> str:
    """Return the hours and minutes of a time in UTC."""
    return moment.astimezone(UTC).strftime("%H:%M") if moment else ""


def _leaf(node: Any, state: WorkspaceState) -> str:
    kind = node.get("type") if isinstance(node, dict) else None
    if kind == "text":
        return printable(str(node.get("text", "")))
    if kind == "link":
        return printable(str(node.get("text") or node.get("url", "")))
    if kind == "emoji":
        return f":{node.get('name')}:"
    mention = {"user": ("@", "user_id"), "channel": ("#", "channel_id"), "usergroup": ("!subteam^", "usergroup_id")}
    if kind in mention:
        sign, name = mention[kind]
        return _token(f"{sign}{node.get(name)}", state)
    return f"@{node.get('range')}" if kind == "broadcast" else f"({kind})"


def _token(inside: str, state: WorkspaceState) -> str:
    target, _, label = inside.partition("|")
    if target.startswith("@"):
        user = state.users.get(target[1:])
        return f"@{user.name if user else label or target[1:]}"
    if target.startswith("#"):
        channel = state.channels.get(target[1:])
        return f"#{channel.name if channel else label or target[1:]}"
    if target.startswith("!"):
        return _special(target[1:], label, state)
    return f"{label} ({target})" if label else target


def _special(target: str, label: str, state: WorkspaceState) -> str:
    if target.startswith("subteam^"):
        group = state.groups.get(target.removeprefix("subteam^"))
        return f"@{group.handle}" if group else label or target
    return label if target.startswith("date^") else f"@{target}"


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
