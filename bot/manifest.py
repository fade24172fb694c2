"""`vpsops manifest`: the app manifest, generated from the commands, shortcuts, events and scopes in the code."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from vpsops.bot import listeners
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.bot.workspaces.scopes import REDIRECT_PATH, SCOPES, bot_scopes
from vpsops.core.common.errors import ConfigurationError

EVENTS_PATH: Final = "/slack/events"
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


HINT: Final = "list | show web01 | reboot web01 because disk swap | create | changes mine | report | pause | help"
SHORTCUTS: Final[Mapping[str, Mapping[str, str]]] = {
    action_ids.NEW_SERVER: {
        "name": "New server",
        "type": "global",
        "description": "Fill in a form for a new server, with live prices",
    },
    action_ids.ACT_ON: {
        "name": "Act on server named here",
        "type": "message",
        "description": "Find the servers a message names, and act on one",
    },
}
Manifest = dict[str, Any]


def manifest_of(base: str = "", *, several: bool = False) -> Manifest:
    """Return the manifest for Socket Mode, or for HTTP with URLs under `base`.

    `several` adds the OAuth redirect URL, with which several workspaces install the app.
    """
    http = base and f"{base}{EVENTS_PATH}"
    return {
        "_metadata": {"major_version": 1, "minor_version": 1},
        "display_information": {
            "name": "vpsops",
            "description": "Run VPSes from Slack, with confirmations and approvals that fail closed.",
            "background_color": "#1f2937",
        },
        "features": _features(http),
        "oauth_config": {
            **({"redirect_urls": [f"{base}{REDIRECT_PATH}"]} if several else {}),
            "scopes": {"bot": bot_scopes()},
        },
        "settings": {
            "event_subscriptions": {
                **({"request_url": http} if http else {}),
                "bot_events": list(listeners.EVENTS),
            },
            "interactivity": {
                "is_enabled": True,
                **({"request_url": http, "message_menu_options_url": http} if http else {}),
            },
            "org_deploy_enabled": False,
            "socket_mode_enabled": not http,
            "token_rotation_enabled": False,
        },
    }


def _features(http: str) -> Manifest:
    command = {
        "command": SLASH,
        **({"url": http} if http else {}),
        "description": "List, inspect, create, start, stop and reboot servers",
        "usage_hint": HINT,
        "should_escape": True,
    }
    shortcuts = [
        {
            "name": shortcut["name"],
            "type": shortcut["type"],
            "callback_id": ident,
            "description": shortcut["description"],
        }
        for ident, shortcut in SHORTCUTS.items()
    ]
    return {
        "bot_user": {"display_name": "vpsops", "always_online": True},
        "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False},
        "shortcuts": shortcuts,
        "slash_commands": [command],
    }


def text_of(manifest: Manifest) -> str:
    """Format a manifest as YAML, with the reason for each scope as a comment."""
    return "\n".join(_lines(manifest, "")) + "\n"


def _lines(node: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, list):
            yield f"{indent}{name}:"
            for item in value:
                yield from _item(item, f"{indent}  ")
        else:
            yield f"{indent}{name}: {_scalar(value)}"


def _item(item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, dict):
        inner = list(_lines(item, f"{indent}  "))
        yield f"{indent}- {inner[0].strip()}"
        yield from inner[1:]
    else:
        yield f"{indent}- {_scalar(item)}" + (f" # {SCOPES[item]}" if item in SCOPES else "")


def _scalar(value: object) -> str:
    """Format a scalar: plain if it needs no quotes, else as JSON, which is valid YAML."""
    if isinstance(value, str) and value.replace("_", "").replace(" ", "").isalnum() and not value.isdigit():
        return value
    return json.dumps(value, ensure_ascii=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `vpsops manifest`."""
    parser.description = (
        'Print the Slack app\'s manifest, to be pasted at "Create app from manifest": for Socket Mode, or for HTTP '
        "with the addresses under --http filled in."
    )
    parser.epilog = "needs no settings. Paste it again after an update of vpsops: Slack shows what differs."
    parser.add_argument("--http", metavar="URL", help="the bot's public address, such as https://vpsops.example.com")
    parser.add_argument(
        "--multi", action="store_true", help="several workspaces install the app (needs --http): see docs/slack.md"
    )
    parser.add_argument("--json", action="store_true", help="as JSON instead of YAML; Slack takes both")


def run(args: argparse.Namespace) -> int:
    """Print the manifest; raises `ConfigurationError` on a URL that Slack would reject."""
    base = address_of(args.http or "")
    if args.multi and not base:
        raise ConfigurationError("--multi needs --http URL, where workspaces install the app.")
    manifest = manifest_of(base, several=args.multi)
    sys.stdout.write(json.dumps(manifest, indent=2) + "\n" if args.json else text_of(manifest))
    return 0


def address_of(address: str) -> str:
    """Return a public base URL without a trailing slash; raises `ConfigurationError` unless Slack can use it."""
    if not address:
        return ""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    bare = parts.path in {"", "/"} and not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme != "https" or not host or not bare or any(sign.isspace() for sign in address) or host in LOOPBACK:
        raise ConfigurationError(
            f"--http {address[:100]} is not a public address.", hint="Write it like https://vpsops.example.com."
        )
    return f"https://{parts.netloc}"
