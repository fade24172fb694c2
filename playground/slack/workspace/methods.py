"""What every Web API method asks for and how often it may be called (docs.slack.dev method pages)."""

from dataclasses import dataclass
from typing import Literal

Token = Literal["bot", "app"]


@dataclass(frozen=True, slots=True)
class Method:
    """One Web API method: any of `scopes` suffices; `per_minute` is its tier."""

    scopes: tuple[str, ...] = ()
    per_minute: int | None = 50
    token: Token = "bot"  # noqa: S105 - the kind of a token, not one


_CONVERSATIONS = ("channels:read", "groups:read", "im:read", "mpim:read")

METHODS = {
    "auth.revoke": Method(),
    "auth.test": Method(per_minute=None),
    "api.test": Method(per_minute=100),
    "apps.connections.open": Method(("connections:write",), 20, "app"),
    "bots.info": Method(("users:read",)),
    "chat.delete": Method(("chat:write",)),
    "chat.getPermalink": Method(per_minute=None),
    "chat.postEphemeral": Method(("chat:write",), 100),
    "chat.postMessage": Method(("chat:write",), None),
    "chat.update": Method(("chat:write",)),
    "conversations.info": Method(_CONVERSATIONS),
    "conversations.list": Method(_CONVERSATIONS, 20),
    "conversations.members": Method(_CONVERSATIONS, 100),
    "conversations.open": Method(("im:write", "mpim:write", "channels:manage", "groups:write")),
    "team.info": Method(("team:read",)),
    "usergroups.list": Method(("usergroups:read",), 20),
    "usergroups.users.list": Method(("usergroups:read",), 20),
    "users.info": Method(("users:read",), 100),
    "users.list": Method(("users:read",), 20),
    "users.lookupByEmail": Method(("users:read.email",)),
    "views.open": Method(per_minute=100),
    "views.publish": Method(per_minute=100),
    "views.push": Method(per_minute=100),
    "views.update": Method(per_minute=100),
}
