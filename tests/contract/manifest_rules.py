"""What Slack takes as an app's manifest, as a JSON schema of our own for all that this app may use.

The facts (names, required keys, lengths, counts) are those of Slack's published schemas of version 1 and 2
(repository slackapi/manifest-schema, read on 2026-11-24) and of docs.slack.dev, "App manifest reference". It is
narrower than they are: what the app does not use is not allowed, a colour must be one, addresses must be HTTPS.
"""

from collections.abc import Sequence
from typing import Any, Final

Schema = dict[str, Any]
FLAG: Final[Schema] = {"type": "boolean"}
WHOLE: Final[Schema] = {"type": "integer"}


def words(longest: int, shortest: int = 1, pattern: str = "") -> Schema:
    """A text."""
    return {"type": "string", "minLength": shortest, "maxLength": longest, **({"pattern": pattern} if pattern else {})}


def address(longest: int) -> Schema:
    """An address that Slack calls; the published schemas take http:// too."""
    return words(longest, pattern="^https://[^/]")


def many(of: Schema, most: int, least: int = 0) -> Schema:
    """A list without repetitions."""
    return {"type": "array", "items": of, "minItems": least, "maxItems": most, "uniqueItems": True}


def group(required: Sequence[str] = (), **keys: Schema) -> Schema:
    """An object with these keys and no others."""
    return {"type": "object", "required": list(required), "properties": keys, "additionalProperties": False}


DISPLAY: Final = group(
    ["name"],
    name=words(35),
    description=words(140),
    background_color=words(7, 4, "^#[0-9a-fA-F]{3}([0-9a-fA-F]{3})?$"),
    long_description=words(4000, 175),
)
SHORTCUT: Final = group(
    ["name", "type", "callback_id", "description"],
    name=words(24),
    type={"enum": ["message", "global"]},
    callback_id=words(255),
    description=words(150),
)
COMMAND: Final = group(
    ["command", "description"],
    command=words(32, 2, "^/"),
    url=address(3000),
    description=words(2000),
    usage_hint=words(1000),
    should_escape=FLAG,
)
FEATURES: Final = group(
    app_home=group(home_tab_enabled=FLAG, messages_tab_enabled=FLAG, messages_tab_read_only_enabled=FLAG),
    bot_user=group(["display_name"], display_name=words(80), always_online=FLAG),
    shortcuts=many(SHORTCUT, 10, 1),
    slash_commands=many(COMMAND, 50, 1),
)
AGENT: Final = group(
    agent_description=words(300),
    suggested_prompts=many(group(["title", "message"], title=words(300), message=words(4000)), 4),
)
SCOPES: Final = many(words(50), 255)
OAUTH: Final = group(
    redirect_urls=many(address(2500), 1000),
    scopes=group(bot=SCOPES, bot_optional=SCOPES, user=SCOPES, user_optional=SCOPES),
    token_management_enabled=FLAG,
    pkce_enabled=FLAG,
)
SETTINGS: Final = group(
    event_subscriptions=group(request_url=address(3500), bot_events=many(words(50), 100)),
    interactivity=group(
        ["is_enabled"], is_enabled=FLAG, request_url=address(3500), message_menu_options_url=address(3500)
    ),
    org_deploy_enabled=FLAG,
    socket_mode_enabled=FLAG,
    token_rotation_enabled=FLAG,
    is_mcp_enabled=FLAG,
)


def schema(version: int) -> Schema:
    """Return the rules of a major version; the second knows views for agents too."""
    features = FEATURES if version == 1 else {**FEATURES, "properties": {**FEATURES["properties"], "agent_view": AGENT}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **group(
            ["display_information"],
            _metadata=group(major_version=WHOLE, minor_version=WHOLE),
            display_information=DISPLAY,
            features=features,
            oauth_config=OAUTH,
            settings=SETTINGS,
        ),
    }
