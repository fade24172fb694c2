"""OAuth scopes and paths of an installation."""

from collections.abc import Mapping
from typing import Final

from vpsops.bot.protocol.command_catalog import SLASH

INSTALL_PATH: Final = "/slack/install"


REDIRECT_PATH: Final = "/slack/oauth_redirect"


SCOPES: Final[Mapping[str, str]] = {
    "commands": f"{SLASH}, the buttons and the shortcuts",
    "chat:write": "cards, notices, private answers",
    "usergroups:read": "who may approve, when a rule names a user group",
    "users:read": "whether requesters and approvers are full members",
    "users:read.email": "which person an agent acts for, when a token or VPSOPS_ACTOR names an e-mail address",
    "channels:read": "who may approve, when a rule (the default one does) names the members of a channel",
    "groups:read": "the same, for private channels",
    "app_mentions:read": "commands in messages that mention the app, and those messages alone",
    "im:history": "commands in direct messages to the app; conversations without the app are not read",
}
"""The requested scopes, with reasons. None of them allows reading what people write to each other."""


def bot_scopes() -> list[str]:
    """Return the scopes that an installation requests."""
    return list(SCOPES)
